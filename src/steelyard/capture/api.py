"""`capture`: anything that describes a network -> `Workload`."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

from steelyard.capture.deadline import within
from steelyard.capture.rules import RuleTable, default_rules
from steelyard.capture.source import Source, load_module, parse_source
from steelyard.errors import InputError, UnknownNameError, UsageError
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
        source: a module; or text in the SOURCE grammar: zoo name (``resnet50:num_classes=10``; its
            weights are not allocated), ``file.onnx``, ``file.pt2``, ``file.json``,
            ``package.module:callable`` (imports and runs it); or a workload, to be renamed or rescaled.
        input_shape: (N, C, H, W) of the input; several as a sequence of shapes, or by name of
            ``forward``'s arguments. A network of the zoo knows its own.
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
    _check(kwargs, batch, training, method, rules, name)
    table = default_rules() if rules is None else rules
    # what only a network that runs can make use of
    idle = {
        "inputs": inputs is not None, "kwargs": bool(kwargs), "dtype": dtype is not None,
        "training": training is not False, "method": method != "auto",
    }  # fmt: skip
    given = [key for key, is_given in idle.items() if is_given]
    if isinstance(source, Workload):
        _refuse(
            ["input_shape"] * (input_shape is not None) + given, "a Workload", "batch= or name="
        )
        load = source if batch is None else source.with_batch(batch)
        return load if name is None else replace(load, name=name)

    def work() -> Workload:
        nonlocal input_shape, name
        if isinstance(source, (str, os.PathLike)):
            parsed = parse_source(os.fspath(source))
            if parsed.kind in ("onnx", "pt2", "json"):
                _refuse(
                    given, f"the file {parsed.text!r}",
                    "input_shape= or batch=, where the file leaves a size open",
                )  # fmt: skip
                return _from_file(parsed, input_shape, batch, table, name, deadline_s)
            valued = inputs is not None or bool(kwargs) or method == "values"
            model = _built(parsed, allocate=valued)
            if input_shape is None and inputs is None and not kwargs and parsed.kind == "zoo":
                from steelyard.zoo.registry import default_input_shape

                input_shape = default_input_shape(parsed.name, **dict(parsed.config))
            name = name or parsed.text
        else:
            model = source
        from torch import nn

        if not isinstance(model, nn.Module):
            raise _no_module(model)
        return _from_module(
            model, input_shape, inputs, kwargs or {}, dtype, batch,
            training=training, method=method, rules=table, name=name or type(model).__name__,
        )  # fmt: skip

    return within(deadline_s, "capturing the network", work)


def _check(
    kwargs: object, batch: object, training: object, method: object, rules: object, name: object
) -> None:
    """Raises `UsageError` for arguments that are wrong whatever the source is."""
    if batch is not None and (type(batch) is not int or not 1 <= batch < 2**63):
        raise UsageError(f"a batch of {batch!r}", expected="a whole number, at least 1")
    if kwargs is not None and not (
        isinstance(kwargs, Mapping) and all(isinstance(key, str) for key in kwargs)
    ):
        raise UsageError(
            f"kwargs={_brief(kwargs)} are no named arguments", hint='kwargs={"mask": tensor}'
        )
    if not (training is None or isinstance(training, bool)):
        raise UsageError(f"training={_brief(training)}", expected="True, False or None")
    if method not in ("auto", "shapes", "meta", "values"):
        raise UsageError(f"no method {_brief(method)}", expected="auto, shapes, meta or values")
    if not (rules is None or isinstance(rules, RuleTable)):
        raise UsageError(
            f"rules={_brief(rules)} is no RuleTable",
            hint='default_rules().with_rules({"mylib.my_op": my_rule})',
        )
    if not (name is None or isinstance(name, str)):
        raise UsageError(f"name={_brief(name)}", expected="text")


def _brief(value: object) -> str:
    return ascii(value)[:80]


def _no_module(model: object) -> UsageError:
    expected = "an nn.Module, or text: a zoo name, file.onnx, file.pt2, package.module:callable"
    if isinstance(model, type):
        name = model.__name__
        return UsageError(
            f"cannot capture the class {name}", expected=expected, hint=f"capture({name}(...), ...)"
        )
    return UsageError(f"cannot capture a {type(model).__name__}", expected=expected)


def _refuse(given: list[str], what: str, expected: str) -> None:
    """Arguments that are silently ignored mislead."""
    if given:
        means = "mean" if len(given) > 1 else "means"
        raise UsageError(f"{', '.join(given)} {means} nothing for {what}", expected=expected)


def _built(source: Source, *, allocate: bool) -> nn.Module:
    """The network that the source names; a zoo network without allocating weights unless asked to."""
    if source.kind != "zoo" or allocate:
        return load_module(source)
    from steelyard.capture.weightless import weightless

    try:
        with weightless():
            return load_module(source)
    except Exception:  # a builder that computes with values; or an error, raised once more here
        return load_module(source)


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
            hint="batch=8, or --batch 8"
            if source.kind == "json"
            else "export it again with other sizes",
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
    """Shapes by name or in order; one shape is a sequence of one."""
    if input_shape is None:
        return None
    if type(input_shape) is tuple and set(map(type, input_shape)) == {int}:
        return [_sizes(input_shape)]
    if isinstance(input_shape, Mapping):
        if unnamed := [key for key in input_shape if not isinstance(key, str)]:
            raise UsageError(
                f"input_shape names an input {_brief(unnamed[0])}",
                expected="shapes by name, e.g. {'image': (1, 3, 224, 224)}",
            )
        return {key: _sizes(shape) for key, shape in input_shape.items()}
    if isinstance(input_shape, Sequence) and not isinstance(input_shape, (str, bytes)):
        nested = [isinstance(s, Sequence) and not isinstance(s, (str, bytes)) for s in input_shape]
        if all(nested):
            return [_sizes(shape) for shape in input_shape]
        if any(nested):
            raise InputError(
                f"input_shape={_brief(input_shape)} mixes sizes and shapes",
                expected="one shape, e.g. (1, 3, 224, 224), or a sequence of shapes",
            )
    return [_sizes(input_shape)]


def _sizes(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of sizes.

    Raises:
        InputError: not integers, or negative.
    """
    if type(shape) is tuple and all(type(n) is int and 0 <= n < 2**63 for n in shape):
        return shape
    if not isinstance(shape, Sequence) or isinstance(shape, (str, bytes)):
        raise InputError(
            f"{_brief(shape)} is not a shape", expected="sizes such as (1, 3, 224, 224)"
        )
    sizes = []
    for size in shape:
        whole = isinstance(size, SupportsIndex) and not isinstance(size, bool)
        if not whole or not 0 <= operator.index(size) < 2**63:
            raise InputError(
                f"the shape {_brief(tuple(shape))} has the size {_brief(size)}",
                expected="whole numbers from 0 to 2**63 - 1",
            )
        sizes.append(operator.index(size))
    return tuple(sizes)


def _own_input_shape(model: nn.Module) -> Shape | None:
    """What `create` made a network of the zoo for."""
    from steelyard.zoo.network import Backbone, Network

    return model.input_shape if isinstance(model, (Network, Backbone)) else None


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
    from torch.utils import _pytree as pytree

    from steelyard.capture.module import capture_module

    if inputs is not None and input_shape is not None:
        raise UsageError("both inputs and input_shape were given", expected="one of them")
    if inputs is None and input_shape is None and not kwargs:
        input_shape = _own_input_shape(model)
    if inputs is None and input_shape is None and not kwargs:
        raise UsageError(
            f"{type(model).__name__} was given no input",
            hint="input_shape=(1, 3, 224, 224), or --input 1x3x224x224",
        )
    if input_shape is None and not (batch is None and dtype is None):
        wrong = "batch" if batch is not None else "dtype"
        raise UsageError(f"{wrong}= changes shapes, not example inputs", hint="input_shape=...")
    args: tuple[Any, ...] = ()
    extra: dict[str, Any] = dict(kwargs)
    if inputs is not None:
        if not isinstance(inputs, (torch.Tensor, Sequence)) or isinstance(inputs, (str, bytes)):
            raise UsageError(
                f"inputs={_brief(inputs)} are no example inputs",
                expected="a tensor, or a sequence of forward's positional arguments",
                hint="inputs=(image, mask), kwargs={...}",
            )
        args = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs)
    given = [t for t in pytree.tree_leaves((args, extra)) if isinstance(t, torch.Tensor)]
    real = not any(tensor.device.type == "meta" for tensor in given)
    shapes = _named(input_shape)
    if shapes is not None:
        kind = _input_dtype(model, dtype)

        def made(shape: tuple[int, ...]) -> torch.Tensor:
            sizes = (batch, *shape[1:]) if batch is not None and shape else shape
            try:
                return torch.empty(sizes, dtype=kind, device="meta")
            except (RuntimeError, TypeError, OverflowError) as error:
                text = str(error).split("\n")[0]
                raise InputError(
                    f"a tensor of shape {sizes} cannot exist: {text}",
                    expected="fewer than 2**63 bytes",
                ) from None

        real = False
        if isinstance(shapes, Mapping):
            if twice := [key for key in shapes if key in extra]:
                raise UsageError(
                    f"{_brief(twice[0])} is given in input_shape and in kwargs", expected="once"
                )
            extra.update({key: made(shape) for key, shape in shapes.items()})
        else:
            args = tuple(made(shape) for shape in shapes)
    return capture_module(
        model, args, extra, name=name, real=real, training=training, method=method, rules=rules
    )


def _input_dtype(model: nn.Module, dtype: str | None) -> torch.dtype:
    import torch

    from steelyard.capture.module import tensors_of

    if dtype is None:
        held = (t for t in tensors_of(model) if isinstance(t, torch.nn.Parameter))
        return next((t.dtype for t in held if t.is_floating_point()), torch.float32)
    known = isinstance(dtype, str) and dtype in DTYPE_BITS and not dtype.startswith("q")
    found = getattr(torch, dtype, None) if known else None
    if not isinstance(found, torch.dtype):
        names = [name for name in DTYPE_BITS if hasattr(torch, name)]
        raise UnknownNameError(
            "dtype", str(dtype), names, hint=str(dtype).removeprefix("torch.")
            if isinstance(dtype, torch.dtype) else "",
        )  # fmt: skip
    return found
