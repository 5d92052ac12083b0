"""What the shape rules of layers and functions share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from steelyard.capture.engines.network import Owned
from steelyard.capture.engines.recorder import DTYPE_NAMES, apply_rule
from steelyard.capture.engines.shape_tensor import ShapeTensor
from steelyard.capture.engines.shapes import ShapeEngine
from steelyard.capture.rules import Call, Draft, Operand

Module = Callable[[ShapeEngine, nn.Module, tuple[Any, ...]], Any]
"""A rule for a module: its positional arguments -> result, or NotImplemented."""

Sizes = tuple[int, ...]

FLOATS = frozenset({torch.float32, torch.float16, torch.bfloat16, torch.float64})
"""Types that operators keep, whatever numbers they meet."""


def one(args: tuple[Any, ...]) -> ShapeTensor | None:
    """The only argument, if it is a contiguous activation of a floating-point type."""
    if len(args) != 1:
        return None
    x = args[0]
    if type(x) is ShapeTensor and x.strides is None and not x.root and x.dtype in FLOATS:
        return x
    return None


def remember(
    engine: ShapeEngine, key: Any, out: Sizes, args: Callable[[], list[Any]]
) -> tuple[torch.Size, Draft]:
    """Result shape and draft for a call, asked from the rule table once per key ``(op, dtype, ...)``."""
    size = torch.Size(out)
    dtype = DTYPE_NAMES[key[1]]
    call = Call(key[0], tuple(args()), {}, (Operand(size, dtype),))
    entry = engine.memo[key] = (size, apply_rule(engine.rules, call))
    return entry


def owned_params(engine: ShapeEngine, *tensors: torch.Tensor | None) -> list[Owned] | None:
    """What the engine knows of a module's tensors; None if it does not know one."""
    found: list[Owned] = []
    for tensor in tensors:
        if tensor is None:
            continue
        owned = engine.owned.get(id(tensor))
        if owned is None or not owned.contiguous:
            return None
        found.append(owned)
    return found
