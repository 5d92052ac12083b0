"""ONNX's constants, sequences of tensors and optional values: what binds names and computes nothing."""

from __future__ import annotations

import numpy as np

from steelyard.capture.onnx_model import Tensor, TypeInfo
from steelyard.capture.onnx_run import Run
from steelyard.capture.onnx_scope import Scope
from steelyard.capture.onnx_value import Site, Stored, Value, axis_of
from steelyard.errors import ShapeError

MAX_ITEMS = 4_096
"""Entries of a sequence."""


def constant(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``Constant`` in all its attribute forms."""
    name = site.node.outputs[0] if site.node.outputs else ""
    for key, value in site.attrs.items():
        if isinstance(value, Tensor):
            value = Tensor(name, value.dims, value.dtype_code, value.raw, value.packed, value.loose,
                           value.strings, value.location, value.external)  # fmt: skip
            return [run.initializer(value, given=False)]
        dtype = {"value_int": "int64", "value_ints": "int64", "value_float": "float32",
                 "value_floats": "float32", "value_string": "string",
                 "value_strings": "string"}.get(key)  # fmt: skip
        if dtype is None:
            continue
        many = isinstance(value, list)
        shape = (len(value),) if many else ()
        stored = Stored(name, shape, dtype, given=False)
        run.stored.append(stored)
        if dtype == "string":
            return [Value(shape, dtype, None, (stored,), fixed=True)]
        kind = np.int64 if dtype == "int64" else np.float32
        small = not many or len(value) <= 4096
        data = np.array(value, kind) if small else None
        return [Value(shape, dtype, data, (stored,), fixed=True)]
    raise ShapeError("no value is given", expected="attribute value, value_int, value_floats ...")


def items_of(value: Value) -> list[Value]:
    """The entries of a sequence.

    Raises:
        ShapeError: it is none.
    """
    if value.items is None:
        raise ShapeError("a tensor is given", expected="a sequence")
    return value.items


def sequence(items: list[Value]) -> list[Value]:
    """A sequence of these entries.

    Raises:
        ShapeError: too many.
    """
    if len(items) > MAX_ITEMS:
        raise ShapeError(f"a sequence of {len(items)} tensors", expected=f"at most {MAX_ITEMS}")
    return [Value(items=items, fixed=all(v.fixed for v in items))]


def position_of(site: Site, index: int, length: int, default: int) -> int:
    """A position in a sequence; its first entry stands for one that the data chooses.

    Raises:
        ShapeError: outside the sequence.
    """
    if not site.has(index):
        return default
    data = site.value(index).data
    if data is None or data.size != 1:
        return 0
    position = int(data.reshape(-1)[0])
    if not -length <= position <= length:
        raise ShapeError(f"position {position} of a sequence of {length}")
    return position + length if position < 0 else position


def sequence_at(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``SequenceAt``."""
    items = items_of(site.value(0))
    position = position_of(site, 1, len(items), 0)
    if position >= len(items):
        raise ShapeError(f"position {position} of a sequence of {len(items)}")
    return [items[position]]


def sequence_insert(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``SequenceInsert``."""
    items = items_of(site.value(0))
    position = position_of(site, 2, len(items), len(items))
    return sequence([*items[:position], site.value(1), *items[position:]])


def sequence_erase(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``SequenceErase``."""
    items = items_of(site.value(0))
    position = position_of(site, 1, len(items), len(items) - 1)
    return sequence([v for i, v in enumerate(items) if i != position])


def sequence_length(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``SequenceLength``."""
    return [Value((), "int64", np.array(len(items_of(site.value(0)))), fixed=True)]


def split_to_sequence(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``SplitToSequence``: views of one tensor."""
    value = site.value(0)
    if not value.rank:
        raise ShapeError("a scalar is split")
    axis = site.axis("axis", 0, value.rank)
    size, parts = value.shape[axis], None
    if (data := site.const(1)) is not None:
        step = int(data.reshape(-1)[0]) if data.size else 0
        if data.ndim:
            parts = [int(v) for v in data]
        elif step < 1:
            raise ShapeError(f"a split into parts of {step}")
        elif -(-size // step) <= MAX_ITEMS:
            parts = [min(step, size - i) for i in range(0, size, step)]
    elif size <= MAX_ITEMS:
        parts = [1] * size
    if parts is None:
        raise ShapeError(f"{size} entries are split", expected=f"at most {MAX_ITEMS} parts")
    if sum(parts) != size or min(parts, default=0) < 0:
        raise ShapeError(f"parts {parts[:8]} of {size} entries")
    squeeze = data is None and not site.int("keepdims", 1)
    items = []
    for part in parts:
        middle = () if squeeze else (part,)
        items.append(Value((*value.shape[:axis], *middle, *value.shape[axis + 1 :]), value.dtype))
    if items:
        run.step(site, items)
    return sequence(items)


def concat_from_sequence(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``ConcatFromSequence``: joined or stacked."""
    items = items_of(site.value(0))
    if not items:
        raise ShapeError("an empty sequence is joined")
    first = items[0].shape
    stack = site.int("new_axis", 0)
    axis = axis_of(site.int("axis", 0), len(first) + (1 if stack else 0))
    if any(v.rank != len(first) for v in items):
        raise ShapeError("tensors of different ranks are joined")
    if stack:
        shape = (*first[:axis], len(items), *first[axis:])
    else:
        shape = (*first[:axis], sum(v.shape[axis] for v in items), *first[axis + 1 :])
    out = Value(shape, items[0].dtype)
    run.step(site, [out])
    return [out]


def optional(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``Optional``: its content, or an empty one of the declared type."""
    if site.has(0):
        return [site.value(0)]
    info = site.attrs.get("type")
    if isinstance(info, TypeInfo) and info.kind == "sequence":
        return sequence([])
    return [Value(fixed=True)]


def has_element(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``OptionalHasElement``."""
    return [Value((), "bool", np.array(site.has(0)), fixed=True)]
