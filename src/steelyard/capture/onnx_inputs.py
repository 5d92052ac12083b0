"""The inputs of an ONNX graph with open sizes filled in: `bind_inputs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steelyard.capture.onnx_model import (
    Dim,
    Graph,
    TypeInfo,
    ValueInfo,
    check_dims,
    dtype_name,
    quoted,
    short,
)
from steelyard.capture.onnx_value import Value
from steelyard.errors import FileFormatError, ShapeError, UnknownNameError, UsageError


def bind_inputs(
    graph: Graph,
    shapes: Mapping[str, tuple[int, ...]] | Sequence[tuple[int, ...]],
    batch: int | None,
    symbols: dict[str, int],
) -> tuple[dict[str, Value], list[str]]:
    """Values of the graph's true inputs (those without an initializer), and warnings.

    Args:
        shapes: shapes that the user gives, by input name or in the order of the graph's inputs.
        batch: size of open first dimensions.
        symbols: sizes of named dimensions; filled in.

    Raises:
        FileFormatError: an input that is no tensor, or is declared twice.
        ShapeError: open or contradictory sizes.
        UnknownNameError: a shape for an input that does not exist.
        UsageError: more shapes than inputs, or a batch below 1.
    """
    if batch is not None and batch < 1:
        raise UsageError(f"batch={batch}", expected="a batch of at least 1")
    stored = {tensor.name for tensor in graph.initializers}
    inputs = [info for info in graph.inputs if info.name not in stored]
    names = [info.name for info in inputs]
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise FileFormatError(f"input {quoted(twice)} is declared twice")
    if not isinstance(shapes, Mapping):
        if len(shapes) > len(names):
            raise UsageError(
                f"{len(shapes)} input shapes are given for a network with {len(names)} inputs",
                expected=f"shapes of {', '.join(map(quoted, names[:20])) or 'nothing'}",
            )
        shapes = dict(zip(names, shapes, strict=False))
    for name in shapes:
        if name not in names:
            raise UnknownNameError("input of the network", name, names)
    warnings: list[str] = []
    for info in inputs:  # sizes given for one input hold for all
        if info.name in shapes:
            _match(info, shapes[info.name], symbols)
    open_batch = taken = False
    values: dict[str, Value] = {}
    for info in inputs:
        tensor = _tensor_type(info)
        if info.name in shapes:
            shape = check_dims(tuple(shapes[info.name]), f"input {quoted(info.name)}")
        else:
            shape, opened = _resolve(info, tensor.dims, batch, symbols)
            open_batch = open_batch or (opened and batch is None)
            taken = taken or opened
        dtype = dtype_name(tensor.dtype_code, f"input {quoted(info.name)}")
        values[info.name] = Value(shape, dtype)
    first = next((v.shape for v in values.values() if v.shape), ())
    if batch is not None and not taken and first and first[0] != batch:
        raise ShapeError(
            f"the inputs have fixed shapes, the first {short(first)}, which contradicts batch={batch}",
            hint=f"capture the file as it is and use workload.with_batch({batch})",
        )
    if open_batch:
        warnings.append("the file leaves the batch size open; it is taken to be 1")
    return values, warnings


def _tensor_type(info: ValueInfo) -> TypeInfo:
    found = info.type
    if found.kind == "optional" and found.element is not None:
        found = found.element
    if found.kind not in ("tensor", "sparse"):
        raise FileFormatError(
            f"input {quoted(info.name)} is of type {found.kind or 'unknown'!r}", expected="a tensor"
        )
    return found


def _match(info: ValueInfo, shape: tuple[int, ...], symbols: dict[str, int]) -> None:
    """Checks a given shape against the declared one and learns named sizes from it."""
    dims = _tensor_type(info).dims
    if dims is None:
        return
    declared = short(dims)
    if len(dims) != len(shape):
        raise ShapeError(
            f"input {quoted(info.name)} is given the shape {short(tuple(shape))}",
            expected=f"{len(dims)} dimensions: {declared}",
        )
    for size, dim in zip(shape, dims, strict=True):
        known = symbols.setdefault(dim, size) if isinstance(dim, str) else dim
        if known is not None and known != size:
            raise ShapeError(
                f"input {quoted(info.name)} is given the shape {short(tuple(shape))}, "
                f"which contradicts the file's {declared}",
                expected=f"{known} in place of {size}",
            )


def _resolve(
    info: ValueInfo, dims: tuple[Dim, ...] | None, batch: int | None, symbols: dict[str, int]
) -> tuple[tuple[int, ...], bool]:
    """The shape with open sizes filled in, and whether its batch was open."""
    who = f"input {quoted(info.name)}"
    if dims is None:
        raise ShapeError(f"{who} has no declared shape", hint=_hint(info, (1, 3, 224, 224)))
    sizes: list[int] = []
    opened = False
    for axis, dim in enumerate(dims):
        size = symbols.get(dim) if isinstance(dim, str) else dim
        if size is None and axis == 0:
            size = batch or 1
            opened = True
            if isinstance(dim, str):
                symbols[dim] = size
        elif size is None:
            guess = tuple(
                d if isinstance(d, int) else 1 if i == 0 else 224 for i, d in enumerate(dims)
            )
            raise ShapeError(
                f"{who} has the shape {short(dims)}, which leaves more open than the batch",
                expected="every size of the input",
                hint=_hint(info, guess),
            )
        sizes.append(size)
    return check_dims(tuple(sizes), who), opened


def _hint(info: ValueInfo, shape: tuple[int, ...]) -> str:
    return f"input_shape={{{quoted(info.name)}: {short(shape)}}}"
