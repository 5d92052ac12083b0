"""`calibrate` and ``measure --predict`` from end to end; interruption; what is typed wrongly."""

import json
from pathlib import Path
from typing import Any

import pytest

import steelyard as sy
from steelyard.cli import run
from steelyard.errors import BackendError, UsageError
from steelyard.measure.child import available_cores
from steelyard.measure.predictor.worker import Prober


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path))
    return tmp_path


def test_an_interrupted_calibration_leaves_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Prober, seconds: float, first: int) -> list[dict[str, Any]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Prober, "take", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sy.calibrate("eager", threads=1, seconds=5)
    assert not list(folder.glob("calibration*"))


def test_too_few_quiet_probes_are_no_calibration(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = {"seed": 1, "others": 2.0, "ns": [[1]]}
    monkeypatch.setattr(Prober, "take", lambda self, seconds, first: [busy])
    with pytest.raises(BackendError, match="ran undisturbed"):
        sy.calibrate("eager", threads=1, seconds=0.01)
    assert not list(folder.glob("calibration*"))


def test_what_cannot_be_calibrated_or_predicted_is_said() -> None:
    with pytest.raises(UsageError, match="eager or onnxruntime"):
        sy.calibrate("openvino")
    with pytest.raises(UsageError, match="seconds"):
        sy.calibrate("eager", seconds=0)
    with pytest.raises(UsageError, match="without options"):
        sy.predict_latency("lenet5", backend="eager+channels_last")


def test_the_verb_says_what_to_type_where_nothing_is_calibrated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["measure", "--predict", "lenet5"]) == 2
    assert "steelyard calibrate --backend eager" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["eager", "onnxruntime"])
def test_a_short_calibration_tells_the_order_of_magnitude(
    backend: str, capfd: pytest.CaptureFixture[str]
) -> None:
    import steelyard.measure.predictor.api as api

    try:
        known = sy.calibrate(backend, threads=1, seconds=25, references=("squeezenet1_1",))
    except BackendError as error:
        if "undisturbed" not in str(error):
            raise
        pytest.skip("other programs keep the machine busy")
    assert known.record.duration_s < 180
    assert known.record.operators > 300
    measured = sy.measure("resnet18", backend=backend, threads=1, budget_s=1).median_s
    said = sy.predict_latency("resnet18", backend=backend, threads=1)
    assert 0.4 < said.seconds / measured < 2.5
    assert said.interval_s[0] < said.seconds < said.interval_s[1]
    capfd.readouterr()
    both = [
        "measure",
        "--predict",
        "resnet18",
        "mobilenet_v2",
        "--backend",
        backend,
        "--threads",
        "1",
        "--json",
    ]
    assert run(both) == 0
    rows = json.loads(capfd.readouterr().out)["rows"]
    assert [row["network"] for row in rows] == ["resnet18", "mobilenet_v2"]
    assert rows[0]["seconds"] == pytest.approx(said.seconds)
    assert known.record.probes >= api.FEWEST
    if available_cores() > 1:
        with pytest.raises(UsageError, match="threads"):
            sy.predict_latency("resnet18", backend=backend, calibration=known, threads=2)
