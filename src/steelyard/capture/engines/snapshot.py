"""`Snapshot`: what the modules of a network hold, and the way back to it.

Thousands of dictionaries are looked at twice in every capture, so that the usual case, nothing has
changed, is left to functions that walk through lists in C.
"""

from __future__ import annotations

import random
import sys
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Any

import torch
from torch import nn

from steelyard.capture.engines.held import Held, every, same

_CONTAINERS = frozenset({dict, list, set, OrderedDict})
_PLAIN = frozenset({bool, int, float, str, tuple, type(None)})

_USUALLY_EMPTY = (
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
_hooks = itemgetter(*_USUALLY_EMPTY)
_STANDARD = frozenset({"_parameters", "_buffers", "_modules", *_USUALLY_EMPTY})
"""Containers that every module has."""

_FIRST = tuple(nn.Module().__dict__)
"""What the constructor of every module sets first; none of it is a module's own."""


class Snapshot:
    """Every module's ``__dict__`` and the containers in it: parameters, buffers, children, hooks, lists.

    Tensors themselves are not copied.

    Attributes:
        kinds: every module's class.
        parameters, buffers, children: what the modules hold.
        tensors: (place of the module, name, tensor) of tensors that are plain attributes.

    Args:
        modules: all of them, each once.
        plain: classes that keep nothing of their own that changes, unless they have hooks.
    """

    def __init__(self, modules: Sequence[nn.Module], plain: Container[type]) -> None:
        self._modules = modules
        self.kinds = kinds = list(map(type, modules))
        self._attributes = attributes = [module.__dict__ for module in modules]
        self._before = list(map(dict.copy, attributes))
        self.parameters = Held(every("_parameters", modules, attributes))
        self.buffers = Held(every("_buffers", modules, attributes))
        self.children = Held(every("_modules", modules, attributes))
        self.tensors: list[tuple[int, str, torch.Tensor]] = []
        self._contents: list[tuple[Any, Any]] = []
        odd: set[int] = set()
        try:
            hooked = self._save_hooks(attributes)
        except KeyError:  # modules of TorchScript, and of old checkpoints, lack some
            odd = {i for i, held in enumerate(attributes) if not held.keys() >= _STANDARD}
            hooked = self._save_hooks([held for i, held in enumerate(attributes) if i not in odd])
        for i in odd:
            self._save_own(i, ())
        own = [
            i for i, (kind, held) in enumerate(zip(kinds, attributes, strict=True))
            if (kind not in plain or (hooked and id(held) in hooked)) and i not in odd
        ]  # fmt: skip
        if own and not self._plain_only([attributes[i] for i in own]):
            for i in own:
                self._save_own(i, _STANDARD)

    def _save_hooks(self, attributes: list[dict[str, Any]]) -> set[int]:
        """Notes the containers that usually are empty; returns the ids of ``attributes`` with hooks."""
        hooked: set[int] = set()
        hooks = list(chain.from_iterable(map(_hooks, attributes)))
        if any(hooks):
            each = len(_USUALLY_EMPTY)
            hooked = {id(attributes[i // each]) for i, used in enumerate(hooks) if used}
            self._contents.extend((used, used.copy()) for used in hooks if used)
            hooks = [unused for unused in hooks if not unused]
        self._empty = hooks
        return hooked

    def _plain_only(self, attributes: list[dict[str, Any]]) -> bool:
        """Whether modules have nothing of their own but numbers and the like; a look at all of them at once."""
        size = len(_FIRST)
        first = list(chain.from_iterable(map(islice, attributes, repeat(size))))
        if first != [*_FIRST] * len(attributes):
            return False
        own = map(islice, map(dict.values, attributes), repeat(size), repeat(None))
        kinds = set(map(type, chain.from_iterable(own))) - _PLAIN
        return not any(kind in _CONTAINERS or issubclass(kind, torch.Tensor) for kind in kinds)

    def _save_own(self, place: int, known: Container[str]) -> None:
        """Copies the other containers among a module's attributes and notes the tensors."""
        attributes = self._attributes[place]
        own: Iterable[tuple[str, Any]] = attributes.items()
        if tuple(islice(attributes, len(_FIRST))) == _FIRST:
            own = islice(own, len(_FIRST), None)
        for name, value in own:
            if name in known:
                continue
            kind = type(value)
            if kind in _CONTAINERS:
                self._contents.append((value, value.copy()))
            elif kind not in _PLAIN and isinstance(value, torch.Tensor):
                self.tensors.append((place, name, value))

    def restore(self) -> None:
        """Puts everything back."""
        for place, name, tensor in self.tensors:
            self._attributes[place][name] = tensor
        if not _equal(self._attributes, self._before):
            for attributes, before in zip(self._attributes, self._before, strict=True):
                if not _equal(attributes, before):
                    attributes.clear()
                    attributes.update(before)
        if list(map(type, self._modules)) != self.kinds:
            for module, kind in zip(self._modules, self.kinds, strict=True):
                if type(module) is not kind:
                    module.__class__ = kind
        if any(self._empty):
            for container in self._empty:
                container.clear()
        for held in (self.parameters, self.buffers, self.children):
            held.restore()
        for container, before in self._contents:
            if type(container) is list:
                container[:] = before
            elif type(container) is set or not same(container, before):
                container.clear()
                container.update(before)


def _equal(attributes: object, before: object) -> bool:
    """The same keys with the same, or equal, objects; tensors are put back by identity before."""
    try:
        return attributes == before
    except Exception:  # arrays and tensors have no yes-or-no equality
        return False


def random_states() -> list[Callable[[], object]]:
    """Functions that put the random generators back to where they are now."""
    state, python_state = torch.get_rng_state(), random.getstate()
    found: list[Callable[[], object]] = [
        lambda: torch.set_rng_state(state),
        lambda: random.setstate(python_state),
    ]
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy_state = numpy.random.get_state()
        found.append(lambda: numpy.random.set_state(numpy_state))
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        cuda_states = torch.cuda.get_rng_state_all()
        found.append(lambda: torch.cuda.set_rng_state_all(cuda_states))
    return found
