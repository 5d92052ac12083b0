"""`Held`: what all modules of a network hold of one sort (parameters, buffers or children), in flat lists."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import eq, is_, methodcaller
from typing import Any

_DICTS = frozenset({dict})
_values = methodcaller("values")


class Held:
    """One dictionary of every module, read in one go and put back in one go.

    Attributes:
        sizes: entries of each module's dictionary.
        keys, values, ids: of all entries, and the values' ids, one module after the other.

    Args:
        containers: one for each module; those that are no dictionaries (TorchScript's) are only read.
    """

    __slots__ = ("_containers", "ids", "keys", "sizes", "values")

    def __init__(self, containers: list[Any]) -> None:
        filled = list(filter(None, containers))
        if not _DICTS.issuperset(map(type, filled)):
            containers = [c if isinstance(c, dict) else dict(c.items()) for c in containers]
            filled = list(filter(None, containers))
        self._containers = containers
        self.sizes: list[int] = list(map(len, containers))
        self.keys: list[str] = list(chain.from_iterable(filled))
        self.values: list[Any] = list(chain.from_iterable(map(_values, filled)))
        self.ids: list[int] = list(map(id, self.values))

    def restore(self) -> None:
        """Puts back what was there, in its order."""
        containers, start = self._containers, 0
        filled = list(filter(None, containers))
        if (
            list(map(len, containers)) == self.sizes
            and list(chain.from_iterable(filled)) == self.keys
            and all(map(is_, chain.from_iterable(map(_values, filled)), self.values))
        ):
            return
        for container, size in zip(containers, self.sizes, strict=True):
            end = start + size
            before = dict(zip(self.keys[start:end], self.values[start:end], strict=True))
            if not same(container, before):
                container.clear()
                container.update(before)
            start = end


def same(mapping: dict[str, Any], before: dict[str, Any]) -> bool:
    """The same keys, in order, with the very same objects."""
    return (
        len(mapping) == len(before)
        and all(map(is_, mapping.values(), before.values()))
        and all(map(eq, mapping, before))
    )


def every(name: str, modules: Sequence[Any], attributes: Sequence[dict[str, Any]]) -> list[Any]:
    """The attribute of that name of every module; ``attributes`` are their dictionaries."""
    try:
        return [held[name] for held in attributes]
    except KeyError:
        return [getattr(module, name) for module in modules]
