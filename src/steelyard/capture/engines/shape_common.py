"""What the shape rules of layers and functions share."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, TypeGuard

import torch
from torch import nn

from steelyard.capture.engines.network import Owned
from steelyard.capture.engines.recorder import DTYPE_NAMES, apply_rule
from steelyard.capture.engines.shape_tensor import FLOATS, Passing, ShapeTensor
from steelyard.capture.engines.shapes import ShapeEngine
from steelyard.capture.engines.trace import Counted, Later, counted, new
from steelyard.capture.rules import Call, Operand, Rule
from steelyard.capture.rules.aten import ATEN_RULES
from steelyard.workload import LoopNest

Module = Callable[[ShapeEngine, nn.Module, Any], Any]
"""A rule for a module: its only argument -> result, or NotImplemented."""

Sizes = tuple[int, ...]


def plain(x: object) -> TypeGuard[ShapeTensor]:
    """True for a contiguous activation of a floating-point type."""
    kind = type(x)
    return kind is Passing or (kind is ShapeTensor and x.plain)  # type: ignore[attr-defined]


def floating(x: object) -> TypeGuard[ShapeTensor]:
    """True for an activation of a floating-point type, however it lies in memory."""
    if type(x) is ShapeTensor:
        return x.plain or (not x.root and x.dtype in FLOATS)
    return type(x) is Passing


def one(args: tuple[Any, ...]) -> ShapeTensor | None:
    """The only argument, if it is plain."""
    return args[0] if len(args) == 1 and plain(args[0]) else None


def stock_rule(engine: ShapeEngine, op: str) -> Rule | None:
    """The operator's rule if it is steelyard's own, whose formula is known here."""
    if op not in engine.stock:
        rule = engine.rules.find(op)
        engine.stock[op] = rule if rule is ATEN_RULES.get(op) else None
    return engine.stock[op]


def by_element(
    engine: ShapeEngine, op: str, shape: Sizes, rest: tuple[Any, ...] = ()
) -> Counted | None:
    """An operator whose operations are proportional to its tensor; None if another rule counts it.

    The rule is asked once in a capture, about one element.

    Args:
        rest: the arguments after the tensor.
    """
    sized = engine.sized.get(op)
    if sized is None:
        sized = engine.sized[op] = {}
    known = sized.get(shape)
    if known is not None:
        return known
    rate = engine.rates.get(op)
    if rate is None:
        if stock_rule(engine, op) is None:
            return None
        unit = Operand((1,) * len(shape))
        draft = apply_rule(engine.rules, Call(op, (unit, *rest), {}, (unit,)))
        rate = engine.rates[op] = draft.kind, draft.ops
    known = sized[shape] = (rate[0], 0, rate[1] and rate[1] * prod(shape), ())
    return known


def product(
    engine: ShapeEngine, op: str, kind: str, macs: int, out: Sizes, args: tuple[Any, ...]
) -> Counted | None:
    """A convolution or matrix product of so many multiply-accumulates; None if another rule counts it.

    Its loop nest is made by the rule when somebody looks at it.

    Args:
        args: the operator's arguments; the first two are the shapes of the operands.
    """
    rule = engine.stock.get(op) or stock_rule(engine, op)
    if rule is None:
        return None
    return (kind, macs, 0, new(Later, (_nests, rule, op, out, *args)))


def _nests(rule: Rule, op: str, out: Sizes, a: Sizes, b: Sizes, *rest: Any) -> tuple[LoopNest, ...]:
    operands = Operand(a), Operand(b, is_param=op != "aten.matmul")
    return rule(Call(op, (*operands, *rest), {}, (Operand(out),))).nests


def remember(
    engine: ShapeEngine, key: Any, out: Sizes, args: Callable[[], list[Any]]
) -> tuple[torch.Size, Counted]:
    """Result shape and counts of a call, asked from the rule table once per key ``(op, dtype, ...)``."""
    size = torch.Size(out)
    dtype = DTYPE_NAMES[key[1]]
    call = Call(key[0], tuple(args()), {}, (Operand(size, dtype),))
    entry = engine.memo[key] = (size, counted(apply_rule(engine.rules, call)))
    return entry


def owned_params(engine: ShapeEngine, *tensors: torch.Tensor | None) -> list[Owned] | None:
    """What the engine knows of a module's tensors; None if it does not know one."""
    found: list[Owned] = []
    for tensor in tensors:
        if tensor is None:
            continue
        owned = engine.owned.get(id(tensor))
        if owned is None or not owned[3]:
            return None
        found.append(owned)
    return found
