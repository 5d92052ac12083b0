"""``steelyard evaluate --budget`` and ``steelyard predict RUN``: figures against a count by hand, files, mistakes."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import steelyard as sy

SMALL = ["epochs=2", "data.batch=240", "network.config.channels=4", "network.config.growth=2", "network.config.classifier_channels=16"]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An MSDNet of four exits, hardly trained."""
    folder = tmp_path_factory.mktemp("runs") / "msdnet"
    sy.train(sy.load_recipe("digits_msdnet", SMALL), run=folder, say=lambda text: None)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Digits as files, a coloured one of another size, and a text."""
    folder = tmp_path_factory.mktemp("photos")
    digits = sy.load_data("digits")
    for i in range(4):
        Image.fromarray(digits.image(i)[0].numpy()).save(folder / f"{i}.png")
    Image.new("RGB", (40, 30), "red").save(folder / "wide.jpg")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def budget(run) -> str:
    """Halfway between the first exit and the last."""
    from steelyard.dynamic.exit_costs import exit_costs

    macs = exit_costs(sy.Run(run).network()).macs
    return str((macs[0] + macs[-1]) // 2)


@pytest.fixture(scope="module")
def answer(run, budget) -> dict:
    return sy.evaluate_budget(run, budget).to_dict()


def test_json_is_the_same_as_to_dict(run_cli, run, budget, answer) -> None:
    done = run_cli("evaluate", run, "--budget", budget, "--json")
    assert done.code == 0
    assert json.loads(done.out) == json.loads(json.dumps(answer))


def test_the_figures_are_those_of_running_everything_by_hand(run, budget, answer) -> None:
    network, digits = sy.Run(run).network(), sy.load_data("digits")
    pipeline = sy.Run(run).recipe.data.test_transforms
    from steelyard.data.transforms import parse_transforms

    seen = parse_transforms(pipeline).of_data("digits")(digits.images, torch.arange(360), seed=0, epoch=0, train=False)  # fmt: skip
    with torch.inference_mode():
        sure = torch.stack(list(network(seen))).softmax(-1).numpy()
    limits = [{"never": np.inf, "always": -np.inf}.get(v, v) for v in answer["thresholds"]["thresholds"]]  # fmt: skip
    exits, right = [], []
    for i in range(360):
        at = next((e for e in range(3) if sure[e, i].max() >= limits[e]), 3)
        exits.append(at)
        right.append(int(sure[at, i].argmax()) == int(digits.labels[i]))
    check = answer["check"]
    both = np.add(check["expected"]["leaving"], check["realised"]["leaving"])
    # an image whose score equals its threshold but for rounding may leave one exit later
    assert np.abs(both - np.bincount(exits, minlength=4)).sum() <= 2 * 4
    ours = sum(
        check[part]["accuracy"] * check[part]["samples"] for part in ("expected", "realised")
    )
    assert abs(ours - sum(right)) <= 4
    assert check["expected"]["samples"] == check["realised"]["samples"] == 180
    assert check["expected"]["cost"] <= float(budget)
    costs = [one["macs"] for one in answer["exits"]]
    assert check["realised"]["cost"] == pytest.approx(np.dot(check["realised"]["leaving"], costs) / 180)  # fmt: skip


def test_thresholds_are_solved_on_what_was_kept_from_training(run_cli, run, budget, tmp_path) -> None:  # fmt: skip
    own = tmp_path / "kept"
    sy.train(sy.load_recipe("digits_msdnet", [*SMALL, "epochs=1", "schedule.warmup_epochs=0", "data.validation=0.2"]), run=own, say=lambda text: None)  # fmt: skip
    kept = json.loads(run_cli("evaluate", own, "--split", "validation", "--json").out)
    assert (kept["samples"], kept["split"]) == (287, "validation")  # a fifth of 1,437
    # what every epoch was tested on
    assert kept["top1"] == sy.Run(own).metrics("epoch")[-1]["test_top1"]
    done = run_cli("evaluate", own, "--budget", budget)
    assert "thresholds solved on 287 images kept from training, judged by 360 others" in done.out
    halves = json.loads(run_cli("evaluate", own, "--budget", budget, "--validation", 0.5, "--json").out)  # fmt: skip
    assert (halves["check"]["expected"]["samples"], halves["kept"]) == (180, False)
    none = run_cli("evaluate", run, "--split", "validation")
    assert none.code == 2
    assert "no images of digits were kept from training" in none.err
    assert "--set data.validation=0.1" in none.err


def test_table_and_csv(run_cli, run, budget) -> None:
    line = ("evaluate", run, "--budget", budget, "--policy", "margin", "--distribution", "free", "--calibrate")  # fmt: skip
    done = run_cli(*line)
    assert done.code == 0
    assert "policy: margin, free, calibrated" in done.out
    assert "thresholds solved on 180 images, judged by 180 others" in done.out
    rows = list(csv.DictReader(run_cli(*line, "--format", "csv").out.splitlines()))
    assert [row["exit"] for row in rows] == ["1", "2", "3", "4"]
    assert sum(float(row["leaving"]) for row in rows) == pytest.approx(1)


def test_page_and_picture(run_cli, run, budget, answer, tmp_path) -> None:
    done = run_cli("evaluate", run, "--budget", budget, "-o", tmp_path / "a.html")
    assert (done.code, done.out) == (0, "")
    page = (tmp_path / "a.html").read_text("utf-8")
    assert 'aria-label="exits of 10 classes"' in page
    # the bars of all classes together are the table's column
    bars = re.findall(r"<title>(\d), exit (\d): (\d+) of (\d+)</title>", page)
    leaving = [sum(int(n) for _, at, n, _ in bars if int(at) == stage) for stage in (1, 2, 3, 4)]
    assert leaving == answer["check"]["realised"]["leaving"]
    assert sum(int(every) for _, at, _, every in bars if at == "1") == 180
    run_cli("evaluate", run, "--budget", budget, "-o", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def clocked(monkeypatch) -> tuple[float, ...]:
    """Seconds to each exit, instead of what this machine would take."""
    from steelyard.measure.stages import exit_times
    from steelyard.measure.timing import Timing
    from steelyard.train import budget

    monkeypatch.setattr(budget, "_TIMED", 5)
    seconds = (0.001, 0.002, 0.004, 0.008)
    monkeypatch.setattr(exit_times, "exit_times", lambda *_, **__: tuple(Timing((one,)) for one in seconds))  # fmt: skip
    return seconds


def test_a_budget_in_milliseconds(run_cli, run, clocked) -> None:
    done = run_cli("evaluate", run, "--budget-ms", 3, "--policy", "learnt", "--json")
    found = json.loads(done.out)
    assert [one["cost"] for one in found["exits"]] == list(clocked)
    assert (found["check"]["budget"], found["check"]["unit"]) == (0.003, "s")
    # what all images together take, by the exits where they leave
    spent = np.dot(found["check"]["realised"]["leaving"], clocked) / 180
    assert found["cost"] == pytest.approx(spent)
    assert found["timed"]["images"] == 5
    assert min(found["timed"]["mean_s"], found["timed"]["all_s"]) > 0
    done = run_cli("evaluate", run, "--budget", "9ms")
    assert done.code == 2
    assert "above the last exit" in done.err


@pytest.mark.slow
def test_a_budget_in_joules(run) -> None:
    from steelyard.dynamic.exit_costs import exit_costs

    loads = exit_costs(sy.Run(run).network()).workloads
    alone = [sy.estimate(load, "eyeriss").energy_pj / 1e12 for load in (loads[0], loads[-1])]
    middle = sum(alone) / 2
    settings = sy.BudgetSettings(f"{middle * 1e6:.3f}uJ", accelerator="eyeriss")
    found = sy.evaluate_budget(run, settings)
    assert [found.exits[0].cost, found.exits[-1].cost] == pytest.approx(alone)
    assert found.check.expected.cost <= middle * 1.001


@pytest.mark.parametrize("backend", ["eager", "onnxruntime"])
def test_each_photo_says_where_it_left_and_what_it_cost(run_cli, run, budget, photos, answer, backend) -> None:  # fmt: skip
    done = run_cli("predict", run, photos, "--budget", budget, "--backend", backend, "--json", "--top", 2)  # fmt: skip
    assert done.code == 0
    found = json.loads(done.out)
    assert [one["photo"].rpartition("/")[2] for one in found["predictions"]] == ["0.png", "1.png", "2.png", "3.png", "wide.jpg"]  # fmt: skip
    macs = [one["macs"] for one in answer["exits"]]
    for one in found["predictions"]:
        assert one["costs"]["MACs"] == macs[one["exit"] - 1]
        assert one["costs"]["s"] > 0
        assert len(one["guesses"]) == 2
    assert found["predictions"][4]["remark"] == "resized and cut to 16x16"
    assert found["exits"] == 4


def test_exported_stages_and_kept_thresholds_do_the_same(run_cli, run, budget, photos, tmp_path) -> None:  # fmt: skip
    files = [photos / f"{i}.png" for i in range(4)]
    done = run_cli("evaluate", run, "--budget", budget, "--export", tmp_path / "stages", "--save-thresholds", tmp_path / "t.json", "-q")  # fmt: skip
    assert done.code == 0
    by_file = json.loads(run_cli("predict", run, *files, "--thresholds", tmp_path / "t.json", "--json").out)  # fmt: skip
    by_onnx = json.loads(run_cli("predict", tmp_path / "stages", *files, "--json").out)
    for one, other in zip(by_file["predictions"], by_onnx["predictions"], strict=True):
        assert one["exit"] == other["exit"]
        assert one["costs"]["MACs"] == other["costs"]["MACs"]
        assert [g["name"] for g in one["guesses"]] == [g["name"] for g in other["guesses"]]
    table = run_cli("predict", tmp_path / "stages", *files)
    assert "Where photographs left" in table.out
    refused = run_cli("predict", tmp_path / "stages", *files, "--budget", budget)
    assert refused.code == 2
    assert "thresholds were solved when it was exported" in refused.err
    # of another network
    data = json.loads((tmp_path / "t.json").read_text())
    (tmp_path / "t.json").write_text(json.dumps(data | {"model": "ab" * 32}))
    refused = run_cli("predict", run, *files, "--thresholds", tmp_path / "t.json")
    assert refused.code == 3
    assert "solved for another network" in refused.err


def test_a_run_without_exits(run_cli, photos, tmp_path) -> None:
    sy.train(sy.load_recipe("digits_lenet", ["epochs=1", "schedule.warmup_epochs=0", "data.batch=360"]), run=tmp_path / "lenet", say=lambda text: None)  # fmt: skip
    done = run_cli("predict", tmp_path / "lenet", photos / "0.png", "--json")
    found = json.loads(done.out)
    assert (found["exits"], found["budget"]) == (1, None)
    assert list(found["predictions"][0]["costs"]) == ["s"]
    for verb in ("evaluate", "predict"):
        photo = [photos / "0.png"] if verb == "predict" else []
        done = run_cli(verb, tmp_path / "lenet", *photo, "--budget", "1M")
        assert (done.code, done.out) == (2, "")
        assert "cannot be run exit by exit" in done.err
        assert "attach_exits" in done.err


def test_a_limit(run_cli, run, budget) -> None:
    done = run_cli("evaluate", run, "--budget", budget, "--min-top1", 100)
    assert done.code == 1


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["evaluate", "RUN", "--budget", "1k"], 2, "below the first exit"),
        (["evaluate", "RUN", "--budget", "1G"], 2, "above the last exit"),
        (["evaluate", "RUN", "--budget", "fast"], 2, "'fast' is no budget"),
        (["evaluate", "RUN", "--budget", "0"], 2, "'0' is no budget"),
        (["evaluate", "RUN", "--budget", "2mJ"], 2, "try: --device eyeriss"),
        (["evaluate", "RUN", "--budget", "1M", "--device", "cuda"], 2, "--device cuda for a budget of 1M"),
        (["evaluate", "RUN", "--budget", "1M", "--budget-ms", "5"], 2, "both given"),
        (["evaluate", "RUN", "--budget", "1M", "--precision", "bf16"], 2, "--precision bf16"),
        (["evaluate", "RUN", "--policy", "margin"], 2, "options of a budget without a budget"),
        (["evaluate", "RUN", "--export", "stages"], 2, "expected: --budget"),
        (["evaluate", "RUN", "--budget", "1M", "--validation", "0.001"], 3, "one image or more in each part"),
        (["predict", "RUN", "nowhere.png", "--budget", "1M"], 3, "nowhere.png does not exist"),
        (["predict", "RUN", "."], 3, "there are no pictures in ."),
        (["predict", "RUN", "a.png", "--weights", "x"], 2, "which has its own"),
        (["predict", "resnet20_cifar", "a.png", "--budget", "1M"], 2, "expected: the folder of a run"),
    ],
)  # fmt: skip
def test_mistakes(run_cli, run, tmp_path, monkeypatch, args, code, says) -> None:
    monkeypatch.chdir(tmp_path)
    done = run_cli(*(str(run) if arg == "RUN" else arg for arg in args))
    assert (done.code, done.out) == (code, "")
    assert says in done.err


def test_several_processes_are_refused(run_cli, run, monkeypatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    done = run_cli("evaluate", str(run), "--budget", "1M")
    assert done.code == 2
    assert "a budget by 2 processes" in done.err
