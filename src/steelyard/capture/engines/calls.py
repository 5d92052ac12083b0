"""`Calls`: lets every call of a module go through steelyard while a network runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from types import FunctionType
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as nn_module

from steelyard.capture.engines.trace import Trace

Intercept = Callable[[Any, nn.Module, Any], Any]
"""Called with the subject, a module and its only argument; answers its result, or NotImplemented."""


class Calls:
    """Tells a trace which module is running, and has rules answer calls in a module's place.

    `start` exchanges the code of ``nn.Module.__call__``, `stop` puts it back. The function stays the
    same one: to assign another to the class would make Python drop what it remembers of the attributes
    of all its subclasses, about a thousand, which takes longer than the capture of a small network.

    Attributes:
        index: place of every module by its id.
        subject: what rules are given.
        thread: the thread whose calls are meant; those of others go on as ever.
        original: what ``nn.Module.__call__`` was.
        hooked: hooks for all modules are about.

    Args:
        trace: is told the module.
        modules: of the network, each once.
        rules: by the module's class; a class that only adds a constructor to one of these is like it.
    """

    def __init__(
        self,
        trace: Trace,
        modules: Sequence[nn.Module],
        rules: Mapping[type[nn.Module], Intercept],
    ) -> None:
        self.trace = trace
        self.index = dict(zip(map(id, modules), count()))
        self.rules = {**rules, **_inherited(rules, set(map(type, modules)))}
        self.subject: Any = None
        self.thread = threading.get_ident()
        self.current_thread = threading.get_ident
        self.with_hooks: Any = nn.Module._call_impl
        self.original: Any = nn.Module.__call__
        self.hooked = False
        self._function: Any = None
        self._before: Any = None

    def start(self) -> None:
        """From now on."""
        function: Any = nn.Module.__call__
        self.hooked = any(
            getattr(nn_module, name)
            for name in (
                "_global_forward_hooks",
                "_global_forward_pre_hooks",
                "_global_backward_hooks",
                "_global_backward_pre_hooks",
            )
        )
        if type(function) is not FunctionType or function.__closure__:
            # somebody put another function there, whose code cannot be exchanged
            self._before = function
            nn.Module.__call__ = _copy(_call, {"_steelyard": self})  # type: ignore[method-assign]
            return
        self.original = _copy(function, function.__kwdefaults__)
        self._before = (function.__code__, function.__kwdefaults__)
        self._function = function
        function.__kwdefaults__ = {"_steelyard": self}
        function.__code__ = _call.__code__

    def stop(self) -> None:
        """Puts everything back."""
        if self._function is not None:
            self._function.__code__, self._function.__kwdefaults__ = self._before
        elif self._before is not None:
            nn.Module.__call__ = self._before  # type: ignore[method-assign]
        # the subject holds these calls in turn: Python frees such a ring only at its next collection
        self._function = self._before = self.subject = None

    def rule_for(self, module: nn.Module) -> Intercept | None:
        """The rule that may answer a call of the module; None where somebody wants to see the call."""
        rule = self.rules.get(type(module))
        if rule is None or self.hooked:
            return None
        held = module.__dict__
        if (
            "forward" in held
            or held["_forward_hooks"] or held["_forward_pre_hooks"]
            or held["_backward_hooks"] or held["_backward_pre_hooks"]
        ):  # fmt: skip
            return None
        return rule

    def note(self, error: Exception, module: nn.Module, args: tuple[Any, ...]) -> None:
        """Writes on an error which module raised it, the innermost only, and what that was called with."""
        if not hasattr(error, "_steelyard_where"):
            shapes = [str(tuple(arg.shape)) for arg in args if isinstance(arg, torch.Tensor)]
            path = self.trace.names.paths().get(self.trace.module, "")
            error._steelyard_where = (path, module, ", ".join(shapes))  # type: ignore[attr-defined]


_HARMLESS = frozenset(
    "__init__ __doc__ __module__ __annotations__ __constants__ extra_repr reset_parameters".split()
)
"""What a class may define anew without its calls being any different."""


def _inherited(
    rules: Mapping[type[nn.Module], Intercept], kinds: set[type[nn.Module]]
) -> dict[type[nn.Module], Intercept]:
    """The rules of classes that define nothing anew of what the class with the rule has."""
    found = {}
    for kind in kinds - rules.keys():
        base = next((base for base in kind.__mro__ if base in rules), None)
        if base is None:
            continue
        own: dict[str, Any] = {}
        for heir in kind.__mro__[: kind.__mro__.index(base)]:
            own |= vars(heir)
        new = own.keys() - _HARMLESS
        changed = any(hasattr(base, name) for name in new)
        if not changed and not any(isinstance(own[name], property) for name in new):
            found[kind] = rules[base]
    return found


def _copy(function: Any, kwdefaults: dict[str, Any] | None) -> Any:
    copy = FunctionType(function.__code__, function.__globals__, "__call__", function.__defaults__)
    copy.__kwdefaults__ = kwdefaults
    return copy


def _call(self: Any, *args: Any, _steelyard: Calls, **kwargs: Any) -> Any:
    # this code runs as that of nn.Module.__call__, so it can use no name of this file
    calls = _steelyard
    if calls.current_thread() != calls.thread:
        return calls.original(self, *args, **kwargs)
    trace = calls.trace
    outer = trace.module
    trace.module = calls.index.get(id(self), outer)
    try:
        held = self.__dict__
        try:
            hooked = (
                held["_forward_hooks"] or held["_forward_pre_hooks"]
                or held["_backward_hooks"] or held["_backward_pre_hooks"] or calls.hooked
            )  # fmt: skip
        except KeyError:  # TorchScript keeps them elsewhere
            hooked = calls.hooked
        if hooked:
            return calls.with_hooks(self, *args, **kwargs)
        rule = calls.rules.get(type(self))
        if rule is not None and len(args) == 1 and not kwargs and "forward" not in held:
            out = rule(calls.subject, self, args[0])
            if out is not NotImplemented:
                return out
        return self.forward(*args, **kwargs)
    except Exception as error:
        calls.note(error, self, args)
        raise
    finally:
        trace.module = outer
