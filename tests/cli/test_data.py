"""``steelyard data``: the list, downloads, counts and contact sheets."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from steelyard.data import registry
from steelyard.data.registry import data_info, list_data


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path / "cache"))


def test_the_list(run_cli) -> None:
    done = run_cli("data")
    assert done.code == 0
    rows = {line.split()[0]: line for line in done.out.splitlines() if line.split()}
    assert set(list_data()) <= set(rows)
    assert "1,437" in rows["digits"] and " yes" in rows["digits"]
    assert " get" in rows["cifar10"]
    data = json.loads(run_cli("data", "--json").out)
    assert data["schema"] == "steelyard.data/1"
    cifar = next(entry for entry in data["data"] if entry["name"] == "cifar10")
    # the publishers' page
    assert cifar["downloads"][0]["md5"] == "c32a1d4ab5d03f1284b67883e8d87530"
    assert cifar["present"] is False


def test_counts_of_each_class(run_cli) -> None:
    done = run_cli("data", "show", "digits", "--split", "train")
    assert done.code == 0
    assert "digits, train: 1,437 images, the first of 1x8x8" in done.out
    assert "CC BY 4.0" in done.out
    data = json.loads(run_cli("data", "show", "digits", "--json").out)
    assert sum(entry["images"] for entry in data["classes"]) == data["images"] == 360


def test_a_contact_sheet(run_cli, tmp_path) -> None:
    done = run_cli("data", "show", "digits", "--each", "3", "-o", tmp_path / "d.png")
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")
    assert "wrote" in done.err


def test_what_cannot_be_read_is_warned_of(run_cli, tmp_path, monkeypatch) -> None:
    from PIL import Image

    for name in "ab":
        (tmp_path / "val" / name).mkdir(parents=True)
        Image.new("RGB", (5, 5)).save(tmp_path / "val" / name / "1.png")
    (tmp_path / "val/a/0.jpg").write_bytes(b"")
    done = run_cli("data", "show", f"folder:{tmp_path}", "-o", tmp_path / "sheet.png")
    assert done.code == 0
    assert "warning: " in done.err and "0.jpg is no image" in done.err
    counted = run_cli("data", "show", f"folder:{tmp_path}")
    assert (counted.code, counted.out.splitlines()[0]) == (0, f"folder:{tmp_path}, test: 3 images")
    assert "0.jpg is no image" in counted.err


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (["get", "digits"], 2, "comes with steelyard"),
        (["get", "mnits"], 3, "nearest: mnist"),
        (["show", "cifar10"], 3, "steelyard data get cifar10"),
        (["show", "digits", "-o", "x.pdf"], 2, "ends in .txt, .md, .csv, .json, .png"),
        (["show", "digits", "--split", "val"], 2, "--split"),
        (["--json", "get", "mnist"], 2, "options before get"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_mistakes(run_cli, line, code, says, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run_cli("data", *line)
    assert (done.code, done.out) == (code, "")
    assert says in done.err


def test_get_says_where_it_is(run_cli, tmp_path) -> None:
    for name in data_info("mnist").files[:1]:
        (tmp_path / "disk/mnist").mkdir(parents=True)
        (tmp_path / "disk/mnist" / name).write_bytes(b"")
    done = run_cli("data", "get", "mnist", "--root", tmp_path / "disk", "--json")
    assert json.loads(done.out)["path"] == str(tmp_path / "disk/mnist")


def test_get_brings_what_is_pinned_and_nothing_else(run_cli, site, tmp_path, monkeypatch) -> None:
    known = data_info("fashion_mnist")
    downloads = []
    for file in known.downloads:
        content = file.name.encode() * 100
        url, sha256 = site.put(file.name, content)
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        downloads.append(replace(file, url=url, sha256=sha256, size=len(content), md5=md5))
    made = replace(known, downloads=tuple(downloads), elsewhere=())
    monkeypatch.setattr(registry, "_KNOWN", {"fashion_mnist": made})
    site.files[f"/{downloads[-1].name}"] = b"other content"
    line = ("data", "get", "fashion_mnist", "--root", tmp_path / "disk")
    done = run_cli(*line)
    assert (done.code, done.out) == (3, "")
    assert f"expected: {downloads[-1].sha256}" in done.err
    there = {path.name for path in (tmp_path / "disk/fashion_mnist").glob("[!.]*")}
    assert there == {file.name for file in downloads[:-1]}
    site.put(downloads[-1].name, downloads[-1].name.encode() * 100)
    site.cuts = [40]
    asked = len(site.asked)
    done = run_cli(*line)
    assert done.code == 0
    # only what was missing, and that from where it was cut
    assert site.asked[asked:] == ["", "bytes=40-"]
