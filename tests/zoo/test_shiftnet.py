"""What is special about ShiftNet, ShiftResNet and FE-Net: few convolutions see more than a pixel."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from steelyard.capture.api import capture
from steelyard.errors import UsageError
from steelyard.layers.shift import Shift
from steelyard.layers.sparse_shift import SparseShift, displacement_penalty, fix_shifts
from steelyard.zoo.registry import create, default_input_shape, list_models

NAMES = [*list_models("shiftnet*"), *list_models("shiftresnet*"), *list_models("fe_net*")]
SMALL = [
    ("shiftnet_a", {"width": 0.25, "blocks": (2, 1, 1, 1), "resolution": 64}),
    ("shiftresnet20_3", {}),
    ("fe_net_x1_0", {"width": 0.5, "resolution": 64}),
]


def on_meta(name: str, **settings: Any) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


def image(name: str, settings: dict[str, Any], batch: int = 2, grow: int = 0) -> torch.Tensor:
    _, channels, height, width = default_input_shape(
        name, **{k: v for k, v in settings.items() if k == "resolution"}
    )
    return torch.randn(batch, channels, height + grow, width + 2 * grow)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_stem_is_spatial(name: str) -> None:
    convs = [m for m in on_meta(name).modules() if isinstance(m, nn.Conv2d)]
    assert [m.kernel_size > (1, 1) for m in convs] == [True] + [False] * (len(convs) - 1)
    assert all(m.groups == 1 for m in convs)


@pytest.mark.parametrize(
    ("name", "mmacs", "weights"),
    [
        ("shiftnet_a", 1424.306, 4.162),
        ("shiftnet_b", 370.956, 1.170),
        ("shiftnet_c", 261.773, 0.785),
    ],
)
def test_shiftnet_against_an_independent_count(name: str, mmacs: float, weights: float) -> None:
    """Multiply-accumulates and weights in millions, as others counted them from the same layout."""
    network = on_meta(name)
    load = capture(network, input_shape=(1, 3, 224, 224))
    assert round(load.macs / 1e6, 3) == mmacs
    assert round(sum(p.numel() for p in network.parameters() if p.ndim > 1) / 1e6, 3) == weights
    assert {layer.op for layer in load.layers if "shift" in layer.name} == {"steelyard.shift"}


def test_shifts_of_shiftnet() -> None:
    """Windows of 5, 5, 3 and 3; expansion 4, 4/3, 3/2 and 2/1, the first unit's of the channels that it adds."""
    network = on_meta("shiftnet_a")
    stages = [network.get_submodule(f"layer{i}") for i in (1, 2, 3, 4)]
    shifts = [[m for m in stage.modules() if isinstance(m, Shift)] for stage in stages]
    assert [len(stage) for stage in shifts] == [5, 6, 7, 3]
    assert [{m.kernel_size for m in stage} for stage in shifts] == [{5}, {5}, {3}, {3}]
    assert [stage[0].channels for stage in shifts] == [4 * 32, 4 * 64, 3 * 128, 2 * 256]
    assert [stage[1].channels for stage in shifts] == [4 * 64, 3 * 128, 2 * 256, 512]


@pytest.mark.parametrize("blocks", [3, 9, 18])
@pytest.mark.parametrize("expansion", [1, 3, 6, 9])
def test_parameters_of_shiftresnet_by_formula(blocks: int, expansion: int) -> None:
    """Two 1x1 and two normalisations a unit, with as many inner channels as ``expansion`` says."""
    total, channels = 3 * 16 * 9 + 2 * 16, 16
    for width in (16, 32, 64):
        for _ in range(blocks):
            hidden = expansion * width
            total += (channels + width) * hidden + 2 * (hidden + width)
            total += 0 if channels == width else channels * width + 2 * width
            channels = width
    total += 64 * 10 + 10
    network = on_meta(f"shiftresnet{6 * blocks + 2}_{expansion}")
    assert sum(p.numel() for p in network.parameters()) == total


def test_fe_net_that_expands_what_comes_in() -> None:
    """563.70 M and 6.00 M at 1.375x, counted by others; 307 M at 1x, and 301 M, 3.7 M with a head of 1480."""

    def counts(name: str, **settings: Any) -> tuple[float, float]:
        load = capture(on_meta(name, inner="input", **settings), input_shape=(1, 3, 224, 224))
        return load.macs / 1e6, load.params / 1e6

    macs, params = counts("fe_net_x1_375")
    assert (round(macs, 2), round(params, 2)) == (563.70, 6.00)
    macs, params = counts("fe_net_x1_0")
    assert (round(macs), round(params, 2)) == (307, 4.23)
    macs, params = counts("fe_net_x1_0", head=1480)
    assert (round(macs), round(params, 2)) == (301, 3.66)


def test_displacements_are_parameters_until_they_are_fixed() -> None:
    network = create("fe_net_x1_0", width=0.5).eval()
    shifted = sum(m.channels for m in network.modules() if isinstance(m, SparseShift))
    assert shifted > 0
    assert displacement_penalty(network) > 0
    x = torch.randn(1, 3, 64, 64)
    before, params = network(x), sum(p.numel() for p in network.parameters())
    fix_shifts(network)
    assert torch.equal(network(x), before)
    assert sum(p.numel() for p in network.parameters()) == params - 2 * shifted


@pytest.mark.parametrize(("name", "settings"), SMALL)
def test_training_step(name: str, settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = create(name, num_classes=5, **settings)
    network(image(name, settings)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize(("name", "settings"), SMALL)
def test_other_sizes_and_layouts(name: str, settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = create(name, **settings).eval()
    with torch.no_grad():
        for grow in (-1, 0, 1, 13):
            x = image(name, settings, grow=grow)
            out = network(x)
            turned = network.to(memory_format=torch.channels_last)(
                x.to(memory_format=torch.channels_last)
            )
            torch.testing.assert_close(turned, out, rtol=1e-4, atol=1e-5)
            network.to(memory_format=torch.contiguous_format)
            torch.testing.assert_close(network(x[:1]), out[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "settings"), SMALL)
def test_exports_keep_outputs_and_counts(
    name: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    network = create(name, **settings).eval()
    x = image(name, settings)
    load = capture(network, inputs=(x,))
    program = torch.export.export(network, (x,))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(x), network(x))
    torch.export.save(program, tmp_path / "net.pt2")
    exported = capture(tmp_path / "net.pt2")
    assert (exported.macs, exported.params) == (load.macs, load.params)
    assert exported.coverage.unknown == ()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings"), SMALL)
def test_onnx_keeps_outputs_and_counts(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    network = create(name, **settings).eval()
    x = image(name, settings, batch=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(network, (x,), dynamo=True, verbose=False)
    assert program is not None
    program.save(tmp_path / "net.onnx")
    load = capture(tmp_path / "net.onnx")
    assert load.macs == capture(network, inputs=(x,)).macs
    assert load.coverage.unknown == ()
    (given,) = (value.name for value in program.model_proto.graph.input)
    (theirs,) = ReferenceEvaluator(program.model_proto).run(None, {given: x.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(network(x), torch.as_tensor(theirs), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("shiftnet_a", {"channels": (32, 64, 128, 256)}, "each stage wider than what comes before"),
        ("shiftnet_a", {"blocks": (5, 6, 7)}, "4 numbers in blocks, first_expansion"),
        ("shiftnet_a", {"kernels": (4, 3, 3, 3)}, "an odd kernel_size"),
        ("fe_net_x1_0", {"units": (2, 3)}, "as many numbers in both"),
    ],
)
def test_settings_that_do_not_fit(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        on_meta(name, **settings)


def test_maps_for_other_tasks() -> None:
    with torch.device("meta"):
        a = create("shiftnet_a", features_only=True)
        b = create("fe_net_x1_0", features_only=True)
        c = create("shiftresnet20_3", features_only=True)
    assert (a.channels, a.strides) == ((32, 64, 128, 256, 512), (2, 4, 8, 16, 32))
    assert (b.channels, b.strides) == ((16, 32, 64, 128, 1932), (2, 4, 8, 16, 32))
    assert (c.channels, c.strides) == ((16, 32, 64), (1, 2, 4))
