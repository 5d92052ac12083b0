"""`capture`: anything that describes a network -> `Workload`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.capture.deadline import deadline
from steelyard.capture.rules import RuleTable, default_rules
from steelyard.capture.source import Source, load_module, parse_source
from steelyard.errors import InputError, UsageError
from steelyard.workload import DTYPE_BITS, Workload

if TYPE_CHECKING:
    import torch
    from torch import nn

    from steelyard.capture.module import Method

Shape = Sequence[int]

MAX_WORKLOAD_BYTES = 256 * 2**20
"""Largest workload file that is read; a layer and its tensors take about 500 bytes."""


def capture(
    source: nn.Module | str | os.PathLike[str] | Workload,
    *,
    input_shape: Shape | Sequence[Shape] | Mapping[str, Shape] | None = None,
    inputs: torch.Tensor | Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    dtype: str | None = None,
    batch: int | None = None,
    training: bool | None = False,
    method: Method = "auto",
    rules: RuleTable | None = None,
    name: str | None = None,
    deadline_s: float | None = None,
) -> Workload:
    """What a network asks of any machine.

    A module is run on tensors that have shapes but no values: nothing is computed or allocated, and it
    is left exactly as it was. Files are read without running anything that is in them.

    Args:
        source: a module; or text in the SOURCE grammar: zoo name (``resnet50:num_classes=10``),
            ``file.onnx``, ``file.pt2``, ``file.json``, ``package.module:callable`` (imports and runs it).
        input_shape: (N, C, H, W) of the input; several as a sequence of shapes, or by name of
            ``forward``'s arguments. A zoo network knows its own.
        inputs: example tensor(s) in place of shapes, positional; needed where control flow depends on
            values. Other objects are passed on as they are.
        kwargs: further arguments of ``forward``; tensors in it count as inputs.
        dtype: of inputs made from shapes; by default that of the network's first parameter.
        batch: overrides the first dimension of the input shapes.
        training: mode to run in; None keeps every submodule's own.
        method: engine for modules: ``shapes`` (fast), ``meta`` (plain), ``values`` (computes), or
            ``auto``, which takes them in that order.
        rules: rule table; by default the one that `register_rule` adds to.
        name: what to call the workload.
        deadline_s: give up after so many seconds.

    Raises:
        UsageError: arguments that do not fit together.
        InputError: a bad source; see `steelyard.errors` for its kinds.
    """
    if isinstance(source, Workload):
        return source if batch is None else source.with_batch(batch)
    if batch is not None and batch < 1:
        raise UsageError(f"a batch of {batch}", expected="at least 1")
    table = rules or default_rules()
    with deadline(deadline_s, "capturing the network"):
        if isinstance(source, (str, os.PathLike)):
            parsed = parse_source(os.fspath(source))
            if parsed.kind in ("onnx", "pt2", "json"):
                if inputs is not None or kwargs or dtype is not None:
                    raise UsageError(
                        f"inputs, kwargs and dtype mean nothing for the file {parsed.text!r}",
                        expected="input_shape= or batch=, where the file leaves a size open",
                    )
                return _from_file(parsed, input_shape, batch, table, name, deadline_s)
            model = load_module(parsed)
            if input_shape is None and inputs is None and parsed.kind == "zoo":
                from steelyard.zoo.registry import default_input_shape

                input_shape = default_input_shape(parsed.name, **dict(parsed.config))
            name = name or parsed.text
        else:
            model = source
        from torch import nn

        if not isinstance(model, nn.Module):
            raise UsageError(
                f"cannot capture a {type(model).__name__}",
                expected="an nn.Module, or text: a zoo name, file.onnx, file.pt2, package.module:callable",
            )
        return _from_module(
            model, input_shape, inputs, kwargs or {}, dtype, batch,
            training=training, method=method, rules=table, name=name or type(model).__name__,
        )  # fmt: skip


def _from_file(
    source: Source,
    input_shape: Shape | Sequence[Shape] | Mapping[str, Shape] | None,
    batch: int | None,
    rules: RuleTable,
    name: str | None,
    deadline_s: float | None,
) -> Workload:
    path = Path(source.path or source.text)
    if source.kind == "onnx":
        from steelyard.capture.onnx import capture_onnx

        return capture_onnx(
            path, input_shapes=_named(input_shape), batch=batch, name=name,
            deadline_s=deadline_s or 60, rules=rules,
        )  # fmt: skip
    if input_shape is not None:
        raise UsageError(
            f"input_shape means nothing for {source.text!r}: its sizes are fixed",
            hint="batch=8" if source.kind == "json" else "export it again with other sizes",
        )
    if source.kind == "pt2":
        from steelyard.capture.exported import capture_exported

        workload = capture_exported(path, name=name, rules=rules)
    else:
        from steelyard.capture.files import read_regular

        workload = Workload.from_json(read_regular(path, max_bytes=MAX_WORKLOAD_BYTES))
    return workload if batch is None else workload.with_batch(batch)


def _named(
    input_shape: Shape | Sequence[Shape] | Mapping[str, Shape] | None,
) -> Mapping[str, tuple[int, ...]] | Sequence[tuple[int, ...]] | None:
    if input_shape is None:
        return None
    if isinstance(input_shape, Mapping):
        return {key: _sizes(shape) for key, shape in input_shape.items()}
    if input_shape and isinstance(input_shape[0], int):
        return [_sizes(input_shape)]
    return [_sizes(shape) for shape in input_shape]


def _sizes(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of sizes.

    Raises:
        InputError: not integers, or negative.
    """
    if not isinstance(shape, Sequence) or isinstance(shape, (str, bytes)):
        raise InputError(f"{shape!r} is not a shape", expected="sizes such as (1, 3, 224, 224)")
    for size in shape:
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**63:
            raise InputError(
                f"the shape {tuple(shape)!r} has the size {size!r}",
                expected="whole numbers from 0 to 2**63 - 1",
            )
    return tuple(shape)


def _from_module(
    model: nn.Module,
    input_shape: Shape | Sequence[Shape] | Mapping[str, Shape] | None,
    inputs: torch.Tensor | Sequence[Any] | None,
    kwargs: Mapping[str, Any],
    dtype: str | None,
    batch: int | None,
    *,
    training: bool | None,
    method: Method,
    rules: RuleTable,
    name: str,
) -> Workload:
    import torch

    from steelyard.capture.module import capture_module

    if inputs is not None and input_shape is not None:
        raise UsageError("both inputs and input_shape were given", expected="one of them")
    if inputs is None and input_shape is None and not kwargs:
        raise UsageError(
            f"{type(model).__name__} was given no input", hint="input_shape=(1, 3, 224, 224)"
        )
    real = inputs is not None or bool(kwargs)
    args: tuple[Any, ...] = ()
    extra: dict[str, Any] = dict(kwargs)
    if inputs is not None:
        args = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs)
        if batch is not None:
            raise UsageError("batch= changes shapes, not example inputs", hint="input_shape=...")
        real = not any(isinstance(a, torch.Tensor) and a.device.type == "meta" for a in args)
    shapes = _named(input_shape)
    if shapes is not None:
        kind = _input_dtype(model, dtype)

        def made(shape: tuple[int, ...]) -> torch.Tensor:
            sizes = (batch, *shape[1:]) if batch is not None and shape else shape
            try:
                return torch.empty(sizes, dtype=kind, device="meta")
            except (RuntimeError, TypeError) as error:
                raise InputError(
                    f"a tensor of shape {sizes} cannot exist: {error}",
                    expected="fewer than 2**63 bytes",
                ) from None

        real = False
        if isinstance(shapes, Mapping):
            extra.update({key: made(shape) for key, shape in shapes.items()})
        else:
            args = tuple(made(shape) for shape in shapes)
    return capture_module(
        model, args, extra, name=name, real=real, training=training, method=method, rules=rules
    )


def _input_dtype(model: nn.Module, dtype: str | None) -> torch.dtype:
    import torch

    if dtype is None:
        floating = (p.dtype for p in model.parameters() if p.is_floating_point())
        return next(floating, torch.float32)
    found = getattr(torch, dtype, None) if dtype in DTYPE_BITS else None
    if not isinstance(found, torch.dtype):
        raise UsageError(f"no dtype is named {dtype!r}", expected="float32, bfloat16, int64 ...")
    return found
