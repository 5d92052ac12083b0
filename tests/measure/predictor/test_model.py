"""The predictor's model: costs that are known are found again, trees are scikit-learn's, files come back or are refused."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingRegressor

import steelyard as sy
from steelyard.errors import FileFormatError, InputError, UsageError
from steelyard.measure.environment import environment
from steelyard.measure.predictor import trees
from steelyard.measure.predictor.calibration import (
    Calibration,
    Record,
    calibration_path,
    check_machine,
    load_calibration,
    reach,
)
from steelyard.measure.predictor.correction import Reference
from steelyard.measure.predictor.eager_work import eager_work
from steelyard.measure.predictor.model import Model, Sample, fit
from steelyard.measure.predictor.onnx_work import ran_work
from steelyard.measure.predictor.prediction import LEVEL, predict
from steelyard.measure.predictor.work import COLUMNS, Work

CALL_S, MAC_S, MOVE_S = 5e-6, 2e-11, 4e-10


def true_seconds(work: Work) -> float:
    """A machine made up: compute or memory, whichever is slower; odd strides cost half again as much."""
    slow = 1.5 if work.stride > 1 else 1.0
    return CALL_S + slow * max(
        MAC_S * work.macs, MOVE_S * (work.read + work.written + work.weights)
    )


def made_up(seed: int, kind: str = "conv.dense") -> Sample:
    dice = np.random.default_rng(seed)
    works = []
    for _ in range(40):
        c, m, size = (
            int(2 ** dice.uniform(3, 8)),
            int(2 ** dice.uniform(3, 8)),
            int(2 ** dice.uniform(3, 6)),
        )
        stride, taps = int(dice.integers(1, 3)), int(dice.choice([1, 9, 25]))
        out = (size // stride) ** 2 * m
        works.append(
            Work(kind, float(out * c * taps), float(c * size**2), float(out), float(c * m * taps), c, m, 1, taps, 3,
                 stride, 1, size // stride, size // stride)
        )  # fmt: skip
    return Sample(tuple(works), np.array([true_seconds(work) for work in works]))


@pytest.fixture(scope="module")
def model() -> Model:
    return fit([made_up(seed) for seed in range(25)], forests=1)


def test_costs_that_are_known_are_found_again(model: Model) -> None:
    for seed in range(1000, 1010):
        sample = made_up(seed)
        found, unknown = model.seconds(sample.works)
        assert not unknown
        assert found.sum() == pytest.approx(sample.seconds.sum(), rel=0.06)
        assert np.median(np.abs(found / sample.seconds - 1)) < 0.08


@pytest.mark.parametrize("forests", [1, 3])
def test_trees_answer_as_the_library_that_grew_them(forests: int) -> None:
    dice = np.random.default_rng(0)
    rows = dice.normal(size=(300, len(COLUMNS)))
    targets = np.sin(rows[:, 0]) + rows[:, 1] * (rows[:, 2] > 0)
    theirs = [
        GradientBoostingRegressor(
            n_estimators=trees.TREES, learning_rate=trees.RATE, max_depth=trees.DEPTH, subsample=trees.SHARE,
            max_features=trees.SHARE, min_samples_leaf=trees.LEAF, random_state=seed,
        ).fit(rows, targets)
        for seed in range(forests)
    ]  # fmt: skip
    ours = trees.grown(rows, targets, np.ones(300), forests=forests)
    new = dice.normal(size=(50, len(COLUMNS)))
    mean = np.mean([one.predict(new) for one in theirs], axis=0)
    assert ours(new) == pytest.approx(mean, abs=1e-5)  # it rounds thresholds' operands to float32


def test_a_kind_never_met_is_counted_as_the_like_of_it_and_never_as_nothing(model: Model) -> None:
    work = replace(made_up(5).works[0], kind="conv.transposed")
    found, unknown = model.seconds((work,))
    assert unknown == ("conv.transposed",)
    assert 0.1 * true_seconds(work) < found[0] < 10 * true_seconds(work)


def calibration(model: Model, **changes: Any) -> Calibration:
    record = Record(
        "eager",
        1,
        "2026-01-02T03:04:05+00:00",
        60.0,
        (0.1, 1.0),
        60,
        2400,
        (0.05, -0.02, 0.1),
        (),
        environment(),
    )
    return Calibration(replace(record, **changes), model)


def test_a_calibration_travels_to_other_processes(model: Model) -> None:
    """A search's workers predict by the calibration of the process that searches."""
    sent = pickle.loads(pickle.dumps(calibration(model)))
    work = made_up(5).works[0]
    assert sent.model.seconds((work,)) == model.seconds((work,))
    assert sent.record == calibration(model).record


def test_a_calibration_comes_back_from_its_file(model: Model, tmp_path: Path) -> None:
    networks = tuple(
        Reference(f"net{i}", f"family{i}", (0.005 * i, 0.0, 0.0, 0.005 * i), 10 * i, 0.011 * i)
        for i in range(1, 6)
    )
    known = calibration(model, references=networks)
    path = known.save(tmp_path / "c.npz")
    back = load_calibration(path)
    assert back.record == known.record
    works = made_up(3).works
    assert back.model.seconds(works)[0] == pytest.approx(model.seconds(works)[0], rel=1e-12)
    assert not list(tmp_path.glob("*.part"))
    with np.load(path, allow_pickle=False) as file:  # raises if anything in it were an object
        assert all(file[name].dtype.kind in "iuf" for name in file.files)
    assert json.loads(json.dumps(back.to_dict()))["kinds"] == {"conv.dense": 1000}


@pytest.mark.parametrize("damage", ["torn", "text", "empty", "links", "costs", "schema"])
def test_a_damaged_file_is_refused_with_what_to_type(
    model: Model, tmp_path: Path, damage: str
) -> None:
    path = calibration(model).save(tmp_path / "c.npz")
    if damage in ("torn", "text", "empty"):
        whole = path.read_bytes()
        path.write_bytes({"torn": whole[: len(whole) // 2], "text": b"hello", "empty": b""}[damage])
    else:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        if damage == "links":
            arrays["conv.dense/left"] = arrays["conv.dense/left"] + 10**6
        elif damage == "costs":
            arrays["conv.dense/costs"] = np.array([np.nan] * 6)
        else:
            head = json.loads(arrays["record"].tobytes())
            arrays["record"] = np.frombuffer(
                json.dumps({**head, "schema": "other/9"}).encode(), np.uint8
            )
        np.savez(path, **arrays)
    with pytest.raises(FileFormatError, match="steelyard calibrate"):
        load_calibration(path)


def test_no_calibration_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="steelyard calibrate --backend onnxruntime --threads 3"):
        sy.predict_latency("lenet5", backend="onnxruntime", threads=3)
    assert calibration_path("eager", 1).parent == tmp_path


def test_another_machine_is_refused_and_another_python_told(model: Model) -> None:
    here = environment()
    known = calibration(model)
    assert check_machine(known, here) == ()
    assert "python" in check_machine(known, {**here, "python": "9.9"})[0]
    for key, value in (("processor", "Another"), ("torch", "9.9"), ("flags", "")):
        with pytest.raises(InputError, match=f"{key} was .* and is"):
            check_machine(known, {**here, key: value})
    assert check_machine(known, {**here, "onnxruntime": "9.9"}) == ()  # eager does not use it
    with pytest.raises(InputError, match="onnxruntime was"):
        check_machine(calibration(model, backend="onnxruntime"), {**here, "onnxruntime": "9.9"})


@given(st.lists(st.floats(-0.5, 1.0), min_size=1, max_size=60), st.floats(0.5, 0.95))
def test_the_interval_holds_as_many_of_the_errors_as_it_says(
    errors: list[float], level: float
) -> None:
    factor = reach(errors, level) * (1 + 1e-9)
    inside = [1 / factor <= 1 / (1 + e) <= factor for e in errors]
    assert sum(inside) >= min(len(errors), np.floor(level * len(errors)))


def test_a_prediction_of_a_network_adds_up_and_names_what_it_does_not_know() -> None:
    load = sy.capture("lenet5")
    works = eager_work(load)
    assert len(works) == len(load.layers)
    assert sum(work.macs for work in works) == load.macs
    kinds = {work.kind for work in works}
    left_out = "activation.tanh"
    assert left_out in kinds
    one = replace(works[0], kind="linear.linear")
    samples = [
        Sample(
            tuple(replace(one, kind=k) for k in kinds - {left_out}), np.full(len(kinds) - 1, 1e-5)
        )
    ]
    known = calibration(fit(samples))
    found = predict(load, known)
    assert found.seconds == pytest.approx(sum(share.seconds for share in found.kinds))
    assert [share.kind for share in found.kinds if not share.known] == [left_out]
    assert any(left_out in warning for warning in found.warnings)
    unsure = next(share.seconds for share in found.kinds if not share.known)
    assert unsure > 0
    factor = known.reach(LEVEL)
    assert factor == reach(known.record.errors, LEVEL)
    low, high = found.interval_s
    assert low == pytest.approx(max(0, found.seconds / factor - unsure))
    assert high == pytest.approx(found.seconds * factor + unsure)
    assert "ms" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["schema"] == "steelyard.latency_prediction/1"


def test_weights_that_onnx_runtime_packed_in_advance_are_counted() -> None:
    """Its profiler names the bias alone: a matrix of 256 x 100 is known from what is read and written."""
    work = ran_work("Gemm", "n125_kernel_time", [(1, 256), (100,)], [(1, 100)], 8)
    assert (work.weights, work.macs) == (25_600, 25_600)
