"""Networks without weights: no storage, no compiler imported, and the same workload."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

import steelyard as sy
from steelyard.capture.weightless import weightless


@pytest.mark.parametrize("name", ["resnet18", "lenet5", "googlenet"])
def test_the_workload_is_that_of_the_real_network(name: str) -> None:
    shape = sy.info(name).input_shape
    with weightless():
        light = sy.create(name)
    assert {p.device.type for p in light.parameters()} == {"meta"}
    real = sy.create(name)
    assert sy.capture(light, input_shape=shape).digest == sy.capture(real, input_shape=shape).digest


def test_values_elsewhere_are_still_written() -> None:
    with weightless():
        there = torch.zeros(3, device="cpu")
        there.fill_(2)
        nn.init.constant_(there[:1], 5)
    assert there.tolist() == [5, 2, 2]


def test_the_compiler_is_not_imported() -> None:
    """torch._dynamo alone takes as long to import as the rest of torch."""
    code = (
        "import sys, steelyard as sy; sy.cost(sy.capture('resnet50')).total; "
        "print('torch._dynamo' in sys.modules, 'torch._refs' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "False", done.stdout
