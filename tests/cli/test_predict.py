"""``steelyard predict``: the table, JSON, CSV, and exit codes."""

from __future__ import annotations

import csv
import json

import pytest
import torch
from PIL import Image

import steelyard as sy


@pytest.fixture
def trained(tmp_path):
    """A small network's weights and two photographs, one of them animated."""
    torch.manual_seed(0)
    torch.save(sy.create("resnet20_cifar").state_dict(), tmp_path / "net.pt")
    frames = [Image.new("RGB", (40, 40), c) for c in ("red", "blue")]
    frames[0].save(tmp_path / "a.png")
    frames[0].save(tmp_path / "b.gif", save_all=True, append_images=frames[1:])
    return tmp_path


def arguments(folder, *more):
    photos = (folder / "a.png", folder / "b.gif")
    return ("predict", "resnet20_cifar", *photos, "--weights", folder / "net.pt", *more)


def test_table(run_cli, trained) -> None:
    done = run_cli(*arguments(trained, "--top", 2))
    assert done.code == 0
    assert "resnet20_cifar, weights from" in done.out
    assert done.out.count("a.png") == done.out.count("b.gif") == 2
    assert "b.gif: the first of 2 pictures" in done.err
    assert run_cli(*arguments(trained, "-q")).err == ""


def test_json_is_the_same_as_to_dict(run_cli, trained) -> None:
    done = run_cli(*arguments(trained, "--json"))
    data = json.loads(done.out)
    photos = [trained / "a.png", trained / "b.gif"]
    ours = sy.predict("resnet20_cifar", photos, weights=trained / "net.pt").to_dict()
    assert data == json.loads(json.dumps(ours))


def test_csv(run_cli, trained) -> None:
    done = run_cli(*arguments(trained, "--format", "csv", "--top", 3))
    rows = list(csv.DictReader(done.out.splitlines()))
    assert list(rows[0]) == ["photo", "rank", "class", "name", "probability"]
    assert [row["rank"] for row in rows] == ["1", "2", "3"] * 2
    assert 0 < float(rows[0]["probability"]) < 1


def test_settings_of_the_network(run_cli, trained) -> None:
    weights = ("--weights", trained / "net.pt")
    done = run_cli("predict", "resnet20_cifar:resolution=48", trained / "a.png", *weights)
    assert done.code == 0
    done = run_cli("predict", "resnet20_cifar:num_classes=7", trained / "a.png", *weights)
    assert done.code == 3
    assert "was trained for 10 classes and the network has 7" in done.err


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (["resnet20_cifar"], 2, "Missing argument"),
        (["resnet20_cifar", "a.png", "--top", "0"], 2, "0 is not in the range"),
        (["nonsense", "a.png"], 3, "no network is named 'nonsense'"),
        (["os:getcwd", "a.png"], 2, "no network of the zoo"),
        (["lenet5", "a.png"], 2, "no published weights are known"),
        (["mobilenet_v2", "nothing.png"], 3, "nothing.png does not exist"),
        (["resnet20_cifar", "a.png", "--weights", "nothing.pt"], 3, "does not exist"),
    ],
)
def test_mistakes(run_cli, trained, monkeypatch, line, code, says) -> None:
    monkeypatch.chdir(trained)
    done = run_cli("predict", *line)
    assert (done.code, done.out) == (code, "")
    assert says in done.err


def test_a_package_that_is_missing(run_cli, trained, monkeypatch) -> None:
    from steelyard.zoo.weights import api

    monkeypatch.setattr(api, "_in_package", lambda _: None)
    done = run_cli("predict", "efficientnet_lite0", trained / "a.png")
    assert done.code == 4
    assert "steelyard[pretrained]" in done.err
