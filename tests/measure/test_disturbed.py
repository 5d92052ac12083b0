"""Measurements that are disturbed: killed, interrupted, on a busy machine, by a runtime that is broken, old or falls back."""

from __future__ import annotations

import importlib
import importlib.util
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch

import steelyard as sy
from steelyard.errors import BackendError, MissingExtraError
from steelyard.measure import api, installed
from steelyard.measure.backend import Program, Setting, backend


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", str(here))
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path))


def test_a_killed_child_fails_its_row_and_the_store_holds_the_others() -> None:
    result = sy.measure_all(
        ["networks_that_fail:Small", "networks_that_fail:Killed"], budget_s=0.2, threads=[1], store=True
    )  # fmt: skip
    assert [row.network for row in result.rows] == ["networks_that_fail:Small"]
    (failed,) = result.failures
    assert failed.network == "networks_that_fail:Killed"
    assert "died of SIGKILL; the system may have run out of memory" in failed.reason
    past = sy.measurement_history()
    assert [row.network for row in past.rows] == ["networks_that_fail:Small"]
    assert past.notes == ()


def test_ctrl_c_keeps_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the second of two networks: the first was finished, and stands in the store."""
    begin = api._Row.begin

    def interrupted(row: Any) -> None:
        if row.name.endswith("Talking"):
            raise KeyboardInterrupt
        begin(row)

    monkeypatch.setattr(api._Row, "begin", interrupted)
    kept: list[sy.Measurement | sy.Failure] = []
    with pytest.raises(KeyboardInterrupt):
        sy.measure_all(
            ["networks_that_fail:Small", "networks_that_fail:Talking"],
            budget_s=0.05, threads=[1], store=True, keep=kept.append,
        )  # fmt: skip
    assert isinstance(kept[0], sy.Measurement)
    assert isinstance(kept[1], sy.Failure)
    assert [row.network for row in sy.measurement_history().rows] == ["networks_that_fail:Small"]


def test_a_busy_machine_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "load_average", lambda: 12.0)
    result = sy.measure_all(["networks_that_fail:Small"], budget_s=0.02, threads=[1])
    assert any("the load of the machine is 12.0" in warning for warning in result.warnings)
    monkeypatch.setattr(api, "load_average", lambda: 0.1)
    assert not api._load_warnings()


# ---- runtimes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", [installed.ONNX_RUNTIME, installed.OPENVINO])
def test_an_old_runtime_is_refused_with_the_line_that_renews_it(
    runtime: installed.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runtime.missing() == ""
    monkeypatch.setattr(metadata, "version", lambda name: "1.4.2rc1")
    said = backend(runtime.package).missing()
    assert f"{runtime.package} 1.4.2rc1 is installed, which is older than {runtime.least}" in said
    assert f"pip install -U 'steelyard[{runtime.extra}]'" in said


def test_the_extras_ask_for_the_same_versions() -> None:
    asked = metadata.requires("steelyard") or []
    for runtime in (installed.ONNX_RUNTIME, installed.OPENVINO):
        assert any(line.startswith(f"{runtime.package}>={runtime.least}") for line in asked)


def test_a_runtime_that_cannot_be_loaded_is_told_from_one_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> Any:
        raise ImportError("libonnxruntime.so: undefined symbol")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(BackendError, match="installed but cannot be loaded: ImportError: libonnx"):
        installed.ONNX_RUNTIME.load()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="onnxruntime"):
        installed.ONNX_RUNTIME.load()


def test_another_provider_than_the_one_asked_for_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """ONNX Runtime itself only warns, and computes on the CPU."""
    runtime = installed.ONNX_RUNTIME.load()

    class Elsewhere:
        def __init__(self, *_: object, **__: object) -> None: ...

        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    monkeypatch.setattr(runtime, "InferenceSession", Elsewhere)
    x = torch.zeros(1, 3, 8, 8)
    program = Program("net", None, (x,), tmp_path, onnx_path=tmp_path / "net.onnx")
    with pytest.raises(BackendError, match="fell back from CUDAExecutionProvider to CPU"):
        backend("onnxruntime").load(program, Setting("onnxruntime", ("cuda",)))
