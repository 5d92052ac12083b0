"""`Guard`: lets a network run for analysis and puts everything back: attributes, tensors, modes, hooks, RNG.

While a guard runs, calls of modules go through it, so that it knows which module is running. One guard
runs at a time in a process; a second thread waits.
"""

from __future__ import annotations

import gc
import random
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from operator import eq, is_, itemgetter
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules import module as nn_module

from steelyard.capture.engines.interrupts import Interrupts
from steelyard.capture.engines.trace import Trace

T = TypeVar("T")

_LOCK = threading.RLock()
_CONTAINERS = frozenset({dict, list, set, OrderedDict})
_PLAIN = frozenset({bool, int, float, str, tuple, type(None)})

Intercept = Callable[[Any, nn.Module, tuple[Any, ...]], Any]
"""Called with the guard's subject, a module and its arguments; answers its result, or NotImplemented."""


class Guard:
    """Runs ``model`` for analysis, after which it is bit-identical.

    Every module's ``__dict__`` and the containers in it (parameters, buffers, hooks, lists) are copied
    (not their tensors) and put back, also after an error or Ctrl-C. Tensors are not protected here:
    engines replace them before running anything that could write to them.

    Attributes:
        modules: every module by its path.
        tensors: (module, name, tensor) of tensors that are plain attributes.
        subject: what the rules of ``intercept`` are given.
        interrupts: lets Ctrl-C and deadlines through while the network runs.

    Args:
        model: the network.
        trace: is told which module is running.
        training: the mode every module is put in; None leaves the modes as they are.
        intercept: rules by class that may answer a module's call in its place.
    """

    def __init__(
        self,
        model: nn.Module,
        trace: Trace,
        *,
        training: bool | None = False,
        intercept: Mapping[type[nn.Module], Intercept] | None = None,
    ) -> None:
        self.modules = dict(_named_modules(model))
        self._training = training
        self._trace = trace
        self._intercept = {} if intercept is None else intercept
        self.tensors: list[tuple[nn.Module, str, torch.Tensor]] = []
        self._saved: list[tuple[nn.Module, type, dict[str, Any], dict[str, Any]]] = []
        self._contents: list[tuple[Any, Any]] = []
        self._empty: list[tuple[Any, ...]] = []
        self._rng: list[Callable[[], None]] = []
        self._index: dict[int, int] = {}
        self.subject: Any = None
        self.interrupts = Interrupts()
        self._call: Any = None
        self._collecting = gc.isenabled()
        self._modes = (torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack())
        self._grad = torch.is_grad_enabled()

    def run(self, body: Callable[[], T]) -> T:
        """What ``body`` returns, run with the guard open."""
        with _LOCK:
            try:
                self.interrupts.hold()
                self._enter()
                return body()
            finally:
                _to_the_end(self._leave)
                self.interrupts.release()

    def call(self, model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Runs the network; the only part of ``body`` that Ctrl-C and deadlines interrupt."""
        try:
            self.interrupts.open = True
            return model(*args, **kwargs)
        finally:
            self.interrupts.open = False

    def _enter(self) -> None:
        # thousands of small objects are about to be made, and a collection walks all of torch
        self._collecting = gc.isenabled()
        gc.disable()
        self._modes = (torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack())
        self._grad = torch.is_grad_enabled()
        self._save()
        if self._training is not None:
            for module in self.modules.values():
                if module.__dict__.get("training") is not self._training:
                    module.__dict__["training"] = self._training
        self._call = nn.Module.__call__
        nn.Module.__call__ = self._make_call()  # type: ignore[method-assign]

    def _leave(self) -> None:
        if self._call is not None:
            nn.Module.__call__ = self._call  # type: ignore[method-assign]
        # modes of the network's own that an interrupt left behind
        while torch._C._len_torch_function_stack() > self._modes[0]:
            torch._C._pop_torch_function_stack()
        while torch._C._len_torch_dispatch_stack() > self._modes[1]:
            torch._C._pop_torch_dispatch_stack(None)
        torch.set_grad_enabled(self._grad)
        self._restore()
        if self._collecting:
            gc.enable()

    # ---- modules -----------------------------------------------------------------------

    def _save(self) -> None:
        saved, contents = self._saved, self._contents
        intercept, modules, index = self._intercept, self._trace.modules, self._index
        for path, module in self.modules.items():
            attributes, kind = module.__dict__, type(module)
            saved.append((module, kind, attributes, attributes.copy()))
            index[id(module)] = len(modules)
            modules.append((path, kind.__name__, not module._modules))
            try:
                unused = _USUALLY_EMPTY(attributes)
            except KeyError:  # TorchScript keeps its hooks elsewhere
                unused = ()
            if unused and not any(unused):
                self._empty.append(unused)
                for held in (module._parameters, module._buffers, module._modules):
                    if type(held) in _CONTAINERS:  # TorchScript has wrappers there
                        contents.append((held, held.copy() if held else None))
                if kind in intercept:
                    continue  # PyTorch's own classes keep nothing else that changes
            self._save_contents(module, attributes)
        state = torch.get_rng_state()
        self._rng.append(lambda: torch.set_rng_state(state))
        python_state = random.getstate()
        self._rng.append(lambda: random.setstate(python_state))
        if (numpy := sys.modules.get("numpy")) is not None:
            numpy_state = numpy.random.get_state()
            self._rng.append(lambda: numpy.random.set_state(numpy_state))
        if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            cuda_states = torch.cuda.get_rng_state_all()
            self._rng.append(lambda: torch.cuda.set_rng_state_all(cuda_states))

    def _save_contents(self, module: nn.Module, attributes: dict[str, Any]) -> None:
        """Copies the containers among a module's attributes and notes the tensors."""
        for name, value in attributes.items():
            kind = type(value)
            if kind in _CONTAINERS:
                self._contents.append((value, value.copy() if value else None))
            elif kind not in _PLAIN and isinstance(value, torch.Tensor):
                self.tensors.append((module, name, value))

    def _restore(self) -> None:
        # most modules are as they were, and that is quickly seen
        for module, name, tensor in self.tensors:
            module.__dict__[name] = tensor
        for module, kind, attributes, before in self._saved:
            if not _equal(attributes, before):
                attributes.clear()
                attributes.update(before)
            if type(module) is not kind:
                module.__class__ = kind
        for unused in self._empty:
            if any(unused):
                for container in unused:
                    container.clear()
        for container, before in self._contents:
            if before is None:
                if container:
                    container.clear()
            elif type(container) is list:
                container[:] = before
            elif type(container) is set or not _same(container, before):
                container.clear()
                container.update(before)
        for restore in self._rng:
            restore()

    # ---- calls -------------------------------------------------------------------------

    def _make_call(self) -> Callable[..., Any]:
        """What stands in for ``nn.Module.__call__``."""
        thread, original = threading.get_ident(), nn.Module.__call__
        trace, index, intercept, guard = self._trace, self._index, self._intercept, self
        no_global_hooks = not any(
            getattr(nn_module, name)
            for name in (
                "_global_forward_hooks",
                "_global_forward_pre_hooks",
                "_global_backward_hooks",
                "_global_backward_pre_hooks",
            )
        )

        def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return original(self, *args, **kwargs)
            outer = trace.module
            trace.module = index.get(id(self), outer)
            try:
                if no_global_hooks:
                    attributes = self.__dict__
                    plain = not (
                        attributes.get("_forward_hooks")
                        or attributes.get("_forward_pre_hooks")
                        or attributes.get("_backward_hooks")
                        or attributes.get("_backward_pre_hooks")
                    )
                    if plain:
                        rule = intercept.get(type(self))
                        if rule is not None and not kwargs and "forward" not in attributes:
                            out = rule(guard.subject, self, args)
                            if out is not NotImplemented:
                                return out
                        return self.forward(*args, **kwargs)
                return nn.Module._call_impl(self, *args, **kwargs)  # type: ignore[no-untyped-call]
            except Exception as error:
                if not hasattr(error, "_steelyard_where"):
                    path = trace.modules[trace.module][0]
                    error._steelyard_where = (path, self, _shapes(args))  # type: ignore[attr-defined]
                raise
            finally:
                trace.module = outer

        return call


_USUALLY_EMPTY = itemgetter(
    "_non_persistent_buffers_set",
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def _equal(attributes: dict[str, Any], before: dict[str, Any]) -> bool:
    """The same keys with the same, or equal, objects; tensors are put back by identity before."""
    try:
        return attributes == before
    except Exception:  # arrays and tensors have no yes-or-no equality
        return False


def _same(mapping: dict[str, Any], before: dict[str, Any]) -> bool:
    """The same keys, in order, with the very same objects."""
    return (
        len(mapping) == len(before)
        and all(map(is_, mapping.values(), before.values()))
        and all(map(eq, mapping, before))
    )


def _shapes(args: tuple[Any, ...]) -> str:
    """The shapes of the tensors among a call's arguments, for a message."""
    shapes = [str(tuple(arg.shape)) for arg in args if isinstance(arg, torch.Tensor)]
    return ", ".join(shapes)


def _named_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module once, by its first path, outermost first."""
    seen: set[int] = set()
    stack: list[tuple[str, nn.Module]] = [("", model)]
    while stack:
        path, module = stack.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        yield path, module
        prefix = f"{path}." if path else ""
        children = [
            (prefix + name, child) for name, child in module._modules.items() if child is not None
        ]
        stack.extend(reversed(children))


def _to_the_end(step: Callable[[], None]) -> None:
    """Runs the step, again if something asynchronous breaks into it, and raises that afterwards."""
    broken: BaseException | None = None
    for _ in range(5):
        try:
            step()
            break
        except BaseException as error:
            broken = error
    if broken is not None:
        raise broken
