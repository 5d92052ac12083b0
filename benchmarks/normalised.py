"""Networks of the zoo with random weights whose normalisations have seen noise: ``normalised:resnet18`` is a SOURCE.

As they are initialised, normalisations change nothing, and activations fade or grow from layer to layer by orders of
magnitude; a trained network's do not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

import steelyard as sy
from steelyard.zoo.registry import info


def _normalised(name: str) -> nn.Module:
    model = sy.create(name)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean over what it sees
    model.train()
    shape = info(name).input_shape
    with torch.no_grad():
        model(torch.randn((4, *shape[1:]), generator=torch.Generator().manual_seed(2)))
    return model.eval()


def __getattr__(name: str) -> Callable[[], nn.Module]:
    if name.startswith("__"):
        raise AttributeError(name)
    return partial(_normalised, name)
