"""`Probe`: what a network is run on, to see what it does and to compare it with its changed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from steelyard.capture.api import capture
from steelyard.errors import UsageError
from steelyard.workload import Workload
from steelyard.zoo.network import Backbone, Network

Shape = Sequence[int]


@dataclass(frozen=True, slots=True)
class Probe:
    """Arguments of a network's ``forward``: shapes to be filled with noise, or example values."""

    input_shape: Shape | Sequence[Shape] | None = None
    inputs: Tensor | Sequence[Any] | None = None
    kwargs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def capture(self, model: nn.Module) -> Workload:
        """What the model does in eval mode."""
        return capture(
            model, input_shape=self.input_shape, inputs=self.inputs, kwargs=dict(self.kwargs)
        )

    def arguments(self, model: nn.Module) -> tuple[Any, ...]:
        """Positional arguments with values, of the model's dtype and on its device."""
        if self.inputs is not None:
            return (self.inputs,) if isinstance(self.inputs, Tensor) else tuple(self.inputs)
        first = next((p for p in model.parameters()), torch.empty(0))
        shapes: Any = self.input_shape
        several = shapes if not isinstance(shapes[0], int) else (shapes,)
        generator = torch.Generator().manual_seed(0)
        return tuple(
            torch.randn(tuple(shape), generator=generator).to(first.device, first.dtype)
            for shape in several
        )


def probe(
    model: nn.Module,
    input_shape: Shape | Sequence[Shape] | None,
    inputs: Tensor | Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
) -> Probe:
    """The probe that a user's arguments ask for; a network of the zoo knows its own input.

    Raises:
        UsageError: neither a shape nor inputs for a network that does not know its own, or both.
    """
    if input_shape is not None and inputs is not None:
        raise UsageError("input_shape and inputs are both given", expected="one of them")
    if input_shape is None and inputs is None:
        input_shape = model.input_shape if isinstance(model, (Network, Backbone)) else None
        if input_shape is None:
            raise UsageError(
                f"the input of {type(model).__name__} is not known",
                expected="its shape (N, C, H, W), or example tensors",
                hint="input_shape=(1, 3, 224, 224), or --input 1x3x224x224",
            )
    return Probe(input_shape, inputs, MappingProxyType(dict(kwargs or {})))
