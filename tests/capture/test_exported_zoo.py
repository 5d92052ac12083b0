"""Zoo networks as exported archives: the same totals and the same counting layers as their modules."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from steelyard.capture.api import capture
from steelyard.capture.exported import capture_exported
from steelyard.workload import LoopNest, Workload
from steelyard.zoo.registry import create, default_input_shape, list_models

QUICK = ("lenet5", "googlenet", "resnet20_cifar")


def _counted(load: Workload) -> list[tuple[str, str, tuple[LoopNest, ...], tuple[str, ...]]]:
    return [(x.name, x.kind, x.nests, x.params) for x in load.layers if x.params]


def _shapes(load: Workload) -> list[tuple[int, ...]]:
    return [load.tensor(name).shape for name in (*load.inputs, *load.outputs)]


def _ops(load: Workload) -> int:
    """Element operations; torch.export takes local response normalisation apart, others count it whole."""
    return sum(x.ops for x in load.layers if x.module_type != "LocalResponseNorm")


def _check(name: str, folder: Path) -> None:
    shape = default_input_shape(name)
    with torch.device("meta"):
        network = create(name).eval()
        program = torch.export.export(network, (torch.zeros(shape),))
    torch.export.save(program, folder / "net.pt2")
    load = capture_exported(folder / "net.pt2")
    assert load.params + load.unused_params == sum(p.numel() for p in network.parameters())
    assert load.coverage.unknown == () and load.warnings == ()
    module = capture(network, input_shape=shape)
    assert (load.macs, load.params) == (module.macs, module.params)
    assert _counted(load) == _counted(module)
    assert _shapes(load) == _shapes(module)
    assert _ops(load) == _ops(module)


@pytest.mark.parametrize("name", QUICK)
def test_an_exported_network_is_the_network(tmp_path: Path, name: str) -> None:
    _check(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in list_models() if name not in QUICK])
def test_every_exported_network_is_the_network(tmp_path: Path, name: str) -> None:
    _check(name, tmp_path)
