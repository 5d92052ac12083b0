"""`Names`: the names of a network's modules, parameters and buffers, made when somebody asks for them.

A capture is over in a millisecond, and to make the names of all modules and tensors takes a good part
of that; so it only notes the keys that they go by, and which module holds what. It keeps neither
modules nor tensors: their ids are compared with one another, and were taken at the same moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, count
from typing import NamedTuple


class Entries(NamedTuple):
    """What every module holds of one sort: how many, and the keys and ids of all, in order."""

    sizes: Sequence[int] = (0,)
    keys: Sequence[str] = ()
    ids: Sequence[int] = ()

    def of(self, place: int, starts: Sequence[int]) -> Iterator[tuple[str, int]]:
        """Key and id of each entry of the module at ``place``."""
        start, size = starts[place], self.sizes[place]
        return zip(self.keys[start : start + size], self.ids[start : start + size], strict=True)


class Names(NamedTuple):
    """What names are made from.

    Attributes:
        modules: id of every module, the outermost first.
        children, parameters, buffers: what they hold.
        own: (place of the module, name, id) of tensors that are plain attributes.
        tensors: id of every parameter and buffer, a shared one once.
    """

    modules: Sequence[int] = (0,)
    children: Entries = Entries()
    parameters: Entries = Entries()
    buffers: Entries = Entries()
    own: Sequence[tuple[int, str, int]] = ()
    tensors: Sequence[int] = ()

    def paths(self) -> dict[int, str]:
        """Every module's place and first path, in the order of ``named_modules``."""
        places = dict(zip(self.modules, count()))
        starts = list(accumulate(self.children.sizes, initial=0))
        paths: dict[int, str] = {}
        stack = [(0, "")]
        while stack:
            place, path = stack.pop()
            if place in paths:
                continue
            paths[place] = path
            prefix = f"{path}." if path else ""
            children = [
                (places[child], prefix + key)
                for key, child in self.children.of(place, starts)
                if child in places  # None is no module
            ]
            stack.extend(reversed(children))
        return paths

    def of_tensors(self, paths: dict[int, str]) -> dict[int, str]:
        """Place in ``tensors`` and name of each, module by module, plain attributes last."""
        places = dict(zip(self.tensors, count()))
        names: dict[int, str] = {}
        held = [
            (entries, list(accumulate(entries.sizes, initial=0)))
            for entries in (self.parameters, self.buffers)
        ]
        for module, path in paths.items():
            prefix = f"{path}." if path else ""
            for entries, starts in held:
                for key, tensor in entries.of(module, starts):
                    if tensor in places:
                        names.setdefault(places[tensor], prefix + key)
        for module, key, tensor in self.own:
            path = paths[module]
            names.setdefault(places[tensor], f"{path}.{key}" if path else key)
        return names
