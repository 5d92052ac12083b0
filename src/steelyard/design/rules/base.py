"""`Rule`: what a rewrite of layers must be able to do; `ConvRule`: the same for spatial convolutions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.workload import Workload

Weights = Literal["kept", "fitted", "new"]


@dataclass(frozen=True, slots=True)
class Replacement:
    """What takes a layer's place.

    Attributes:
        module: same input and output shapes as the layer replaced.
        weights: ``kept``: the layer's own; ``fitted``: the nearest that the new form can express;
            ``new``: freshly initialised.
        error: of fitted weights, the Frobenius norm of the difference between the old linear map's
            filter and the new one's, relative to the old one's norm; 0 is exact.
    """

    module: nn.Module
    weights: Weights
    error: float | None = None


class Rule(ABC):
    """One way to change layers.

    A subclass is a frozen dataclass whose fields, made with `steelyard.zoo.config.setting`, are the
    rule's options. It never changes the module that it is given.

    Attributes:
        name: what a user types.
        otherwise: what to try where the rule finds no layer of its kind.
    """

    name: ClassVar[str]
    otherwise: ClassVar[str] = 'only="*", or another rule'

    @abstractmethod
    def refusal(self, module: nn.Module) -> str | None:
        """None: not the kind of layer that this rule changes; "": it can; else why it cannot."""

    @abstractmethod
    def replacement(self, module: nn.Module, *, keep_weights: bool) -> Replacement:
        """What takes the place of ``module``; ``keep_weights``: derived from its weights where possible."""

    def places(self, model: nn.Module, load: Workload) -> Iterable[str]:
        """Paths of the modules to look at: by default all that ran."""
        del model
        return dict.fromkeys(layer.module for layer in load.layers)


@dataclass(frozen=True, slots=True)
class ConvSpec:
    """The geometry of a convolution with padding as numbers; pairs are (vertical, horizontal)."""

    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    bias: bool


class ConvRule(Rule):
    """A rule for k x k convolutions, k > 1, of type ``nn.Conv2d`` exactly (a subclass may compute something else)."""

    def refusal(self, module: nn.Module) -> str | None:
        """As `Rule.refusal`."""
        if type(module) is not nn.Conv2d or module.kernel_size == (1, 1):
            return None
        if module.padding_mode != "zeros":
            return f"padding_mode is {module.padding_mode!r}, not zeros"
        if module.padding == "same" and any(
            d * (k - 1) % 2 for k, d in zip(module.kernel_size, module.dilation, strict=True)
        ):
            return "padding='same' with an even kernel pads unevenly"
        return self.refuse_conv(conv_spec(module))

    @abstractmethod
    def refuse_conv(self, conv: ConvSpec) -> str | None:
        """As `refusal`, from the geometry."""


def conv_of(module: nn.Module) -> nn.Conv2d:
    """``module``, which must be a convolution.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(module, nn.Conv2d):
        raise UsageError(f"a {type(module).__name__} is no Conv2d")
    return module


def conv_spec(module: nn.Conv2d) -> ConvSpec:
    """The geometry of a convolution whose padding is symmetric."""
    kernel, stride, dilation = (
        _pair(module.kernel_size),
        _pair(module.stride),
        _pair(module.dilation),
    )
    if module.padding == "valid":
        padding = (0, 0)
    elif module.padding == "same":
        padding = (dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2)
    else:
        padding = _pair(module.padding)
    return ConvSpec(
        module.in_channels, module.out_channels, kernel, stride, padding, dilation, module.groups,
        module.bias is not None,
    )  # fmt: skip


def conv_like(module: nn.Conv2d, in_channels: int, out_channels: int, kernel: tuple[int, int], *,
              stride: tuple[int, int] = (1, 1), padding: tuple[int, int] = (0, 0),
              dilation: tuple[int, int] = (1, 1), groups: int = 1, bias: bool = False) -> nn.Conv2d:  # fmt: skip
    """A new convolution of the same dtype, on the same device, in the same mode as ``module``."""
    conv = nn.Conv2d(
        in_channels, out_channels, kernel, stride, padding, dilation, groups, bias,
        device=module.weight.device, dtype=module.weight.dtype,
    )  # fmt: skip
    conv.requires_grad_(module.weight.requires_grad)
    return conv.train(module.training)


def put(target: nn.Conv2d, weight: Tensor, bias: Tensor | None = None) -> None:
    """Copies values into a convolution."""
    with torch.no_grad():
        target.weight.copy_(weight)
        if bias is not None and target.bias is not None:
            target.bias.copy_(bias)


def relative_error(weight: Tensor, near: Tensor) -> float:
    """Frobenius norm of the difference, relative to that of ``weight``; both float64."""
    norm = float(torch.linalg.vector_norm(weight))
    return float(torch.linalg.vector_norm(weight - near)) / norm if norm else 0.0


def _pair(value: Any) -> tuple[int, int]:
    first, second = value
    return int(first), int(second)
