"""``steelyard measure --explain`` and ``steelyard doctor --roofline``."""

import json

import pytest

from steelyard.measure import breakdown, ceilings
from steelyard.measure.ceilings import Ceiling


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = lambda threads=None: Ceiling(threads or 1, 1e10 * (threads or 1), 1e10, "made up")  # noqa: E731
    monkeypatch.setattr(breakdown, "ceiling", limit)
    monkeypatch.setattr(ceilings, "ceiling", limit)
    monkeypatch.setattr(ceilings, "available_cores", lambda: 6)


def test_run_time_is_split(run_cli, known: None) -> None:
    done = run_cli("measure", "lenet5", "--threads", 1, "--explain", "--json")
    assert done.code == 0
    data = json.loads(done.out)
    assert data["schema"] == "steelyard.breakdown/1"
    whole = sum(part["seconds"] for part in data["parts"])
    assert whole == pytest.approx(data["total_s"])
    assert sum(kind["share"] for kind in data["kinds"]) == pytest.approx(1.0)


def test_one_thing_is_explained_at_a_time(run_cli) -> None:
    done = run_cli("measure", "lenet5", "--batch", "1,2", "--explain")
    assert done.code == 2
    assert "several things to explain" in done.err


def test_rooflines_are_shown_by_number_of_threads(run_cli, known: None) -> None:
    data = json.loads(run_cli("doctor", "--roofline", "--json").out)
    assert data["schema"] == "steelyard.ceilings/1"
    assert [row["threads"] for row in data["ceilings"]] == [1, 2, 4, 6]
    assert data["ceilings"][3]["macs_per_s"] == 6e10
    assert "made up" in run_cli("doctor", "--roofline").out


def test_a_wrong_name_is_told_before_anything_is_measured(run_cli) -> None:
    done = run_cli("measure", "lenet5", "resnet5O")
    assert (done.code, done.out) == (3, "")
    assert "no network is named 'resnet5O'" in done.err


def test_few_names_are_listed_where_none_is_near(run_cli) -> None:
    done = run_cli("measure", "lenet5", "--backend", "ort")
    assert done.code == 3
    assert "expected: one of eager, compile, onnxruntime, openvino" in done.err
