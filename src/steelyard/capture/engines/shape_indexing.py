"""Shape arithmetic for ``x[i, a:b]``, read and written (see `shape_functions`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from steelyard.capture.engines.recorder import DTYPE_NAMES
from steelyard.capture.engines.shape_common import by_element, stock_rule
from steelyard.capture.engines.shape_strides import is_contiguous
from steelyard.capture.engines.shape_tensor import FLOATS, ShapeTensor
from steelyard.capture.engines.shape_views import view
from steelyard.capture.engines.shapes import ShapeEngine
from steelyard.capture.layout import contiguous_strides

Step = tuple[str, tuple[int, ...], tuple[int, ...]]
"""An operator that looks at a part of a tensor, and the part's shape and strides."""

_NUMBERS = frozenset({int, type(None)})


def getitem(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``x[i]``, ``x[..., a:b:c, i]``; and ``table[index]`` of the network's own tensors."""
    if type(args[0]) is not ShapeTensor:
        return _looked_up(engine, *args)
    if len(args) != 2 or type(args[0]) is not ShapeTensor or args[0].root:
        return NotImplemented
    x, places = args
    if type(places) is int:
        return select(engine, (x, 0, places), kwargs)
    steps = _steps(x, places)
    if steps is None or None in {stock_rule(engine, op) for op, _, _ in steps}:
        return NotImplemented
    if not steps:  # all of it; a slice that is not in a tuple is an operator all the same
        return x if type(places) is tuple else NotImplemented
    value = _look(engine, x, steps)
    _, shape, strides = steps[-1]
    return engine.make(shape, x.dtype, value, None if is_contiguous(shape, strides) else strides)


def _looked_up(engine: ShapeEngine, table: Any, index: Any) -> Any:
    """Rows of a parameter, by a buffer of whole numbers."""
    rows, places = engine.owned.get(id(table)), engine.owned.get(id(index))
    if rows is None or places is None or not rows[3] or not places[3]:
        return NotImplemented
    if places[2] is not torch.int64 or rows[2] not in FLOATS or not rows[1]:
        return NotImplemented
    out = (*places[1], *rows[1][1:])
    counts = by_element(engine, "aten.index", out)
    if counts is None:
        return NotImplemented
    return engine.emit("aten.index", counts, (), out, rows[2], (rows[0], places[0]))


def setitem(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``x[a:b, c:d] = 1.5``: a number is made a tensor, expanded, and copied into the part."""
    x, places, number = args
    if type(x) is not ShapeTensor or x.root or x.dtype not in FLOATS:
        return NotImplemented
    steps = _steps(x, places)
    if not steps or type(number) not in (int, float):
        return NotImplemented
    if None in {stock_rule(engine, op) for op in _FILLING}:
        return NotImplemented
    shape = steps[-1][1]
    source = _record(engine, x, "aten.scalar_tensor", (), ())
    target = _look(engine, x, steps)
    source = _record(engine, x, "aten.view", (source,), ())
    source = _record(engine, x, "aten.expand", (source,), shape)
    _record(engine, x, "aten.copy_", (target, source), shape)
    return None


_FILLING = "aten.scalar_tensor aten.slice aten.select aten.view aten.expand aten.copy_".split()


def _steps(x: ShapeTensor, places: Any) -> list[Step] | None:
    """One step for each place that is not the whole axis, as PyTorch does; None if it is not all slices
    and whole numbers, or leaves nothing."""
    items = list(places) if type(places) is tuple else [places]
    if ... in map(_ellipsis, items):
        at = next(i for i, item in enumerate(items) if item is ...)
        items[at : at + 1] = [slice(None)] * (len(x.shape) - len(items) + 1)
    if len(items) > len(x.shape) or 0 in x.shape:
        return None
    shape, axis = list(x.shape), 0
    strides = list(contiguous_strides(x.shape) if x.strides is None else x.strides)
    steps: list[Step] = []
    for item in items:
        size = shape[axis]
        if type(item) is int:
            if not -size <= item < size:
                return None
            del shape[axis], strides[axis]
            steps.append(("aten.select", tuple(shape), tuple(strides)))
            continue
        if type(item) is not slice or not _NUMBERS.issuperset(map(type, _ends(item))):
            return None
        kept = range(size)[item]
        if not kept or kept.step < 1:
            return None
        start, stop, step = _ends(item)
        if start or (stop is not None and stop < size) or step not in (None, 1):
            shape[axis] = len(kept)
            strides[axis] *= kept.step
            steps.append(("aten.slice", tuple(shape), tuple(strides)))
        axis += 1
    return steps


def _ellipsis(item: Any) -> Any:
    """The item if it is ``...``: comparing a tensor would be an operator."""
    return ... if item is ... else None


def _ends(item: slice) -> tuple[Any, Any, Any]:
    return item.start, item.stop, item.step


def _look(engine: ShapeEngine, x: ShapeTensor, steps: list[Step]) -> int:
    value = x.value
    for op, shape, _ in steps:
        value = _record(engine, x, op, (value,), shape)
    return value


def _record(
    engine: ShapeEngine, x: ShapeTensor, op: str, inputs: tuple[int, ...], shape: tuple[int, ...]
) -> int:
    """Writes an operator whose result has x's type and, if there is an input, the first one's storage."""
    counts = by_element(engine, op, shape)
    if counts is None:
        raise engine.fail(f"{op} has another rule")
    alias = inputs[0] if inputs else -1
    value = engine.trace.value(shape, DTYPE_NAMES[x.dtype], alias=alias)
    engine.trace.event(op, counts, inputs, (value,), inplace=op.endswith("_"))
    return value


select = view("aten.select", "select")
