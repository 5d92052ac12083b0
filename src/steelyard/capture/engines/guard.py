"""`Guard`: lets a network run for analysis and puts everything back: attributes, tensors, modes, hooks, RNG.

While a guard runs, calls of modules go through it, so that it knows which module is running. One guard
runs at a time in a process; a second thread waits.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Mapping
from itertools import chain, islice
from operator import methodcaller
from typing import Any, TypeVar

import torch
from torch import nn

from steelyard.capture.engines.calls import Calls, Intercept
from steelyard.capture.engines.interrupts import Interrupts
from steelyard.capture.engines.snapshot import Snapshot, random_states
from steelyard.capture.engines.trace import Trace
from steelyard.errors import UsageError

T = TypeVar("T")

_LOCK = threading.RLock()


class Guard:
    """Runs ``model`` for analysis, after which it is bit-identical.

    Every module's ``__dict__`` and the containers in it (parameters, buffers, hooks, lists) are copied
    (not their tensors) and put back, also after an error or Ctrl-C. Tensors are not protected here:
    engines replace them before running anything that could write to them.

    Attributes:
        modules: every module once, the outermost first.
        calls: what calls of modules go through.
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
        self.modules = _every_module(model)
        self._training = training
        self._intercept: Mapping[type[nn.Module], Intercept] = intercept or {}
        self.calls = Calls(trace, self.modules, self._intercept)
        self.interrupts = Interrupts()
        self._snapshot: Snapshot | None = None
        self._rng: list[Callable[[], object]] = []
        self._collecting = gc.isenabled()
        self._modes = (torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack())
        self._grad = torch.is_grad_enabled()

    @property
    def snapshot(self) -> Snapshot:
        """What the modules held when the guard was opened.

        Raises:
            UsageError: it is not open.
        """
        if self._snapshot is None:
            raise UsageError("the guard is not open", expected="a look from within run()")
        return self._snapshot

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
        self._rng = random_states()
        self._snapshot = Snapshot(self.modules, self._intercept.keys() - {nn.Sequential})
        if self._training is not None:
            for module in self.modules:
                held = module.__dict__
                if held.get("training") is not self._training:
                    held["training"] = self._training
        self.calls.start()

    def _leave(self) -> None:
        self.calls.stop()
        # modes of the network's own that an interrupt left behind
        while torch._C._len_torch_function_stack() > self._modes[0]:
            torch._C._pop_torch_function_stack()
        while torch._C._len_torch_dispatch_stack() > self._modes[1]:
            torch._C._pop_torch_dispatch_stack(None)
        torch.set_grad_enabled(self._grad)
        if self._snapshot is not None:
            self._snapshot.restore()
        for restore in self._rng:
            restore()
        # nothing more to be looked at by the collection that follows
        self._snapshot = None
        if self._collecting:
            gc.enable()


def _every_module(model: nn.Module) -> list[nn.Module]:
    """Every module once, the outermost first, then its children, then theirs."""
    # None stands for a child that is not there
    found: dict[int, Any] = {id(None): None, id(model): model}
    level: list[Any] = [model]
    while level:
        held = filter(None, [module._modules for module in level])
        children = list(chain.from_iterable(map(methodcaller("values"), held)))
        before = len(found)
        found.update(zip(map(id, children), children, strict=True))
        level = list(islice(reversed(found.values()), len(found) - before))[::-1]
    return list(found.values())[1:]


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
