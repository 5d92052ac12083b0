"""`ShapeEngine`, the fast engine: the network runs on tensors that are only shapes.

Every function that PyTorch is asked for while a `ShapeTensor` is about comes here first. What is common
(convolutions, activations, pools: `shape_layers`, `shape_functions`) is answered by arithmetic on sizes.
Everything else runs once on meta tensors under the same recorder as the meta engine; what it did is kept
as a `Program` and replayed when the same operator meets the same shapes again. So both engines see the
same operators, and what this one cannot do is left to the next (docs/decisions/0005).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from steelyard.capture.engines.composites import COMPOSITES, Composites, is_functional
from steelyard.capture.engines.guard import Guard
from steelyard.capture.engines.network import Owned
from steelyard.capture.engines.recorder import DTYPE_NAMES, Recorder
from steelyard.capture.engines.shape_programs import Program, recorded, replayed, run_through
from steelyard.capture.engines.shape_tensor import (
    FLOATS,
    METADATA,
    READS,
    CannotFollowError,
    Passing,
    ShapeTensor,
    Strides,
)
from steelyard.capture.engines.trace import Counted, Trace
from steelyard.capture.rules import Rule, RuleTable

SMALL = 4096
"""Tensors that the network makes itself and that have at most so many elements keep their values."""

_ATOMS = {int, float, bool, str, complex, type(None), torch.dtype, torch.Size, torch.device,
          torch.memory_format, torch.layout, type(...)}  # fmt: skip

_NUMBERS = (int, float, complex, str, bytes, Enum)
_NOT_REMEMBERED: list[Any] = []
"""Part of the key for an argument of any other kind: it has no hash, so the call is not remembered."""

REMEMBERED = 20_000
"""Answers kept from one capture to the next, a few kilobytes each at most; past that all are dropped."""

Fast = Callable[["ShapeEngine", tuple[Any, ...], Mapping[str, Any]], Any]
"""A rule for a function: its positional and keyword arguments -> result, or NotImplemented."""


class ShapeEngine(TorchFunctionMode):
    """Answers every PyTorch function for `ShapeTensor`s, by rule, from memory, or by a run on meta tensors.

    Attributes:
        owned: the network's parameters and buffers by id.
        rates: kind and operations for each element of operators, as far as asked for.
        sized: counts by operator and shape, of those whose operations go by the element.
        stock: rules of operators if they are steelyard's own, as far as asked for.
        inside: results go on to the next module of a Sequential, and to nobody else.
    """

    def __init__(
        self,
        trace: Trace,
        rules: RuleTable,
        device: torch.device,
        functions: Mapping[Any, Fast],
        guard: Guard,
    ) -> None:
        super().__init__()
        self.trace = trace
        self.rules = rules
        self.device = device
        self.on_cpu = device.type == "cpu" and torch.get_default_dtype() is torch.float32
        self.functions = functions
        self.calls = guard.calls
        self.interrupts = guard.interrupts
        self.rates: dict[str, tuple[str, int]] = {}
        self.sized: dict[str, dict[tuple[int, ...], Counted]] = {}
        self.stock: dict[str, Rule | None] = {}
        self.inside = False
        self.failed = ""
        self.busy = 0
        self.owned: dict[int, Owned] = {}
        self.real = Recorder(trace, rules)
        if len(rules.memory) > REMEMBERED:
            rules.memory.clear()
        self.memo = rules.memory
        self._default = torch.get_default_dtype()

    # ---- making tensors ----------------------------------------------------------------

    def make(
        self,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        value: int,
        strides: Strides = None,
        root: bool = False,
    ) -> ShapeTensor:
        """A tensor of this shape that stands for ``value``."""
        plain = strides is None and not root
        if plain and dtype is _FLOAT32 and self.on_cpu:  # the defaults, and the quickest
            tensor = _wrap(ShapeTensor, shape)
        elif strides is None:
            tensor = _wrap(ShapeTensor, shape, dtype=dtype, device=self.device)
            plain = plain and dtype in FLOATS
        else:
            tensor = _wrap(ShapeTensor, shape, strides=strides, dtype=dtype, device=self.device)
        tensor.shape = shape if type(shape) is _Size else _Size(shape)
        tensor.dtype = dtype
        tensor.strides = strides
        tensor.value = value
        tensor.root = root
        tensor.plain = plain
        tensor.engine = self
        return tensor

    def shown(self, tensor: Any) -> Any:
        """What a module that has no rule is given in the place of ``tensor``."""
        if type(tensor) is not Passing:
            return tensor
        return self.make(tensor.shape, tensor.dtype, tensor.value)

    def emit(
        self,
        op: str,
        counts: Counted,
        inputs: tuple[int, ...],
        shape: tuple[int, ...],
        dtype: torch.dtype,
        params: tuple[int, ...] = (),
        alias: int = -1,
        strides: Strides = None,
    ) -> ShapeTensor:
        """Records a layer with one result and returns the result."""
        trace = self.trace
        values, log = trace.values, trace.log
        shapes = values.shapes
        value = len(shapes)
        shapes.append(shape)
        values.dtypes.append("float32" if dtype is _FLOAT32 else DTYPE_NAMES[dtype])
        if alias >= 0:
            values.aliases[value] = alias
        log += (op, counts, inputs, (value,), params, False, trace.module)
        if not self.inside or strides is not None:
            return self.make(shape, dtype, value, strides)
        passing: ShapeTensor = _passing(Passing)
        passing.shape = shape  # type: ignore[assignment]
        passing.dtype = dtype
        passing.value = value
        return passing

    def overwrite(
        self, op: str, counts: Counted, inputs: tuple[int, ...], tensor: ShapeTensor
    ) -> ShapeTensor:
        """Records an in-place layer whose result takes ``tensor``'s place."""
        trace = self.trace
        values = trace.values
        value = len(values.shapes)
        values.shapes.append(tensor.shape)
        values.dtypes.append(DTYPE_NAMES[tensor.dtype])
        values.aliases[value] = tensor.value
        trace.log += (op, counts, inputs, (value,), (), True, trace.module)
        tensor.value = value
        return tensor

    def fail(self, why: str) -> CannotFollowError:
        """The exception to raise; the engine stays failed even if the network swallows it."""
        self.failed = self.failed or why
        return CannotFollowError(why)

    # ---- the mode ----------------------------------------------------------------------

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if self.busy:  # steelyard's own calls, made while it answers the dispatcher
            return func(*args, **(kwargs or {}))
        if _transforms_active():
            raise self.fail("the network uses torch.func transforms")
        fast = self.functions.get(func)
        if fast is not None:
            out = fast(self, args, kwargs or _NOTHING)
            if out is not NotImplemented:
                return out
        elif func in METADATA:
            answer = func(*args, **(kwargs or {}))
            # a network on the meta device is analysed as if it were on a real one
            return self.device if type(answer) is torch.device else answer
        return self.general(func, args, kwargs or {})

    def general(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Any function: from memory, or by running it on meta tensors."""
        tensors: list[torch.Tensor] = []
        slots: dict[int, int] = {}
        if func is torch.Tensor.__setitem__ and type(args[2]) in (int, float):
            args = (*args[:2], type(args[2])(0))  # which number it is makes no difference
        key: Any = (
            func,
            self._key(args, tensors, slots),
            self._key(kwargs, tensors, slots),
            self._default,
        )
        symbolic = any(type(t) is ShapeTensor for t in tensors)
        if func in READS:
            if symbolic:
                raise self.fail(f"{getattr(func, '__name__', func)} reads a tensor's values")
            return func(*args, **kwargs)
        if func is torch.Tensor.__iter__:
            return iter(self.general(torch.Tensor.unbind, (args[0],), {}))
        owned = any(id(t) in self.owned for t in tensors)
        if owned and getattr(func, "__name__", "") in ("__set__", "__delete__", "set_", "resize_"):
            raise self.fail("the network replaces the data of a parameter")
        try:
            program: Program | None = self.memo.get(key)
        except TypeError:  # an argument that cannot be hashed
            key, program = None, None
        if program is None:
            with self.interrupts.closed():  # modes are entered and left in there
                if symbolic and is_functional(func) and func not in COMPOSITES:
                    out, program = run_through(self, func, args, kwargs, tensors)
                    if key is not None and program is not None:
                        self.memo[key] = program
                    return out
                program = recorded(self, func, args, kwargs, tensors)
            if key is not None:
                self.memo[key] = program
        if not (symbolic or owned) and program.elements <= SMALL:
            # made by the network itself and small: keep the values
            with self.interrupts.closed(), Composites(self.real), self.real:
                return func(*args, **kwargs)
        return replayed(self, program, tensors)

    def _key(self, arg: Any, tensors: list[torch.Tensor], slots: dict[int, int]) -> Any:
        """What of an argument decides the shapes of the results; collects its tensors."""
        kind = type(arg)
        if kind in _ATOMS:
            return (kind, arg)
        if kind is ShapeTensor:
            slot = slots.get(id(arg))
            if slot is None:
                slot = slots[id(arg)] = len(tensors)
                tensors.append(arg)
            return (slot, arg.shape, arg.strides, arg.dtype, arg.root)
        if kind is tuple or kind is list:
            return (kind, *[self._key(item, tensors, slots) for item in arg])
        if isinstance(arg, torch.Tensor):
            slot = slots.get(id(arg))
            if slot is None:
                slot = slots[id(arg)] = len(tensors)
                tensors.append(arg)
            owned = self.owned.get(id(arg))
            role = self.trace.values[owned[0]].role if owned else ""
            return (slot, arg.shape, arg.stride(), arg.dtype, role)
        if isinstance(arg, Mapping):
            return (kind, *[(k, self._key(v, tensors, slots)) for k, v in arg.items()])
        if kind is slice:
            return (kind, *[self._key(v, tensors, slots) for v in (arg.start, arg.stop, arg.step)])
        if isinstance(arg, (tuple, list)):
            return (kind, *[self._key(item, tensors, slots) for item in arg])
        if isinstance(arg, _NUMBERS) or kind.__module__ == "numpy":
            return (kind, arg)
        return _NOT_REMEMBERED

    def value_of(self, tensor: torch.Tensor) -> int:
        """The trace's value for a tensor of any kind."""
        if type(tensor) is ShapeTensor:
            return tensor.value
        owned = self.owned.get(id(tensor))
        return owned[0] if owned else self.real.value_of(tensor)


_wrap = torch.Tensor._make_wrapper_subclass
_transforms_active = torch._C._are_functorch_transforms_active
_Size = torch.Size
_FLOAT32 = torch.float32
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_passing: Any = object.__new__
