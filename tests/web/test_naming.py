"""A request can name a network of the zoo and nothing else, whatever it says."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import steelyard
from steelyard.capture.source import parse_source
from steelyard.errors import SteelyardError, UnknownNameError, UsageError
from steelyard.web.knobs import device_knobs, network_knobs
from steelyard.web.naming import zoo_source
from steelyard.web.placing import device_with

NAMES = st.sampled_from(["resnet50", "lenet5", "densenet121", "mobilenet_v2", "enas_macro_cifar"])
VALUES = st.one_of(
    st.integers(-3, 70), st.floats(-1, 3), st.booleans(), st.none(), st.text(max_size=8),
    st.lists(st.integers(0, 9), max_size=5), st.sampled_from(["/etc/passwd", "x.onnx", "a:b", "1x1", "relu"]),
)  # fmt: skip
KEYS = st.sampled_from(
    ["width", "resolution", "num_classes", "blocks", "growth", "arc", "cell", "weights", "nothing"]
)


@given(NAMES, st.text(max_size=20), st.dictionaries(KEYS, VALUES, max_size=3))
def test_what_leaves_is_a_network_of_the_zoo(
    name: str, rest: str, knobs: dict[str, object]
) -> None:
    for text in (name, name + rest, f"{name}:{rest}", rest):
        try:
            found = zoo_source(text, knobs)
        except SteelyardError:
            continue
        parsed = parse_source(found)
        assert parsed.kind == "zoo"
        assert zoo_source(found) == found  # and means the same again


@pytest.mark.parametrize("text", ["os:getcwd", "steelyard.zoo.resnet:ResNet", "net.onnx", "/etc/passwd", "../net.pt2", "resnet50:weights=x", "resnet50:width=1.onnx", ""])  # fmt: skip
def test_code_files_and_weights_cannot_be_named(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.onnx").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UnknownNameError, UsageError)):
        zoo_source(text)


def test_knobs_win_and_defaults_go() -> None:
    assert (
        zoo_source("resnet50:width=0.5,num_classes=10", {"width": 1}) == "resnet50:num_classes=10"
    )
    assert zoo_source("resnet50", {"width": 0.25}, resolution=160) == "resnet50:resolution=160,width=0.25"  # fmt: skip


@pytest.mark.parametrize("name", [*steelyard.list_models("*e*50*"), "densenet121", "drn_a_50", "enas_macro_cifar", "lenet5", "mobilenet_v2", "efficientnet_b0"])  # fmt: skip
def test_a_networks_knobs_fit_it(name: str) -> None:
    knobs = network_knobs(name)
    assert zoo_source(name, {knob["name"]: knob["default"] for knob in knobs}) == name
    for knob in knobs:
        slider = knob["slider"]
        if slider and knob["type"] in ("int", "float"):
            for end in (slider["min"], slider["max"]):
                assert knob["low"] is None or end >= knob["low"]
                assert knob["high"] is None or end <= knob["high"]
            assert slider["min"] <= knob["default"] <= slider["max"]


@pytest.mark.parametrize("name", [d for d in steelyard.list_devices() if d != "cpu"])
def test_a_devices_knobs_fit_it(name: str) -> None:
    device = steelyard.device(name)
    if isinstance(device, steelyard.Accelerator):
        knobs = {knob["name"]: knob["default"] for knob in device_knobs(device)}
        assert device_with(name, knobs) == device
        faster = device_with(name, {"clock_hz": 2 * device.clock_hz})
        assert faster.clock_hz == 2 * device.clock_hz
    else:
        with pytest.raises(UsageError, match="has no knobs"):
            device_with(name, {"clock_hz": 1e9})


def test_a_device_is_no_path(tmp_path: Path) -> None:
    for name in ("../eyeriss", "mine.yaml", str(tmp_path)):
        with pytest.raises(UsageError, match="no device's name"):
            device_with(name, {})
