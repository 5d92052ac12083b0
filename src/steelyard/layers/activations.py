"""Activations by name, and h-swish and h-sigmoid written out as their paper defines them.

Swish is Ramachandran et al. 2017 (arXiv:1710.05941); h-swish and h-sigmoid are Howard et al. 2019
(arXiv:1905.02244), sec. 5.2. PyTorch has all of them; the formulas here are what it is tested against,
and what exporters that lack ``Hardswish`` can use.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from steelyard.errors import UsageError

Activation = Literal["relu", "relu6", "swish", "h_swish", "sigmoid", "h_sigmoid"]


def activation(name: Activation) -> nn.Module:
    """The activation of that name, in place: (...) -> (...).

    Raises:
        UsageError: an unknown name.
    """
    match name:
        case "relu":
            return nn.ReLU(inplace=True)
        case "relu6":
            return nn.ReLU6(inplace=True)
        case "swish":
            return nn.SiLU(inplace=True)
        case "h_swish":
            return nn.Hardswish(inplace=True)
        case "sigmoid":
            return nn.Sigmoid()
        case "h_sigmoid":
            return nn.Hardsigmoid(inplace=True)
    raise UsageError(
        f"no activation is named {name!r}",
        expected="relu, relu6, swish, h_swish, sigmoid or h_sigmoid",
    )


def h_sigmoid(x: Tensor) -> Tensor:
    """``relu6(x + 3) / 6``: (...) -> (...)."""
    return F.relu6(x + 3) / 6


def h_swish(x: Tensor) -> Tensor:
    """``x relu6(x + 3) / 6``: (...) -> (...)."""
    return x * h_sigmoid(x)
