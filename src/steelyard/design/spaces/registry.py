"""`load_space`: search spaces from TOML files; `register_space`: kinds of one's own beside ours."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from steelyard._toml import read_toml
from steelyard.design.spaces.base import SearchSpace
from steelyard.design.spaces.codesign import Codesign
from steelyard.errors import UnknownNameError, UsageError

Reader = Callable[[str, Mapping[str, Any]], SearchSpace]
"""Makes a space from its name and the file's tables; unknown keys are a `UsageError`."""

_OURS = {
    "mobile": "steelyard.design.spaces.mobile:MobileSpace",
    "shuffle": "steelyard.design.spaces.shuffle:ShuffleSpace",
    "darts": "steelyard.design.spaces.cells:DartsSpace",
    "nasnet": "steelyard.design.spaces.cells:NasnetSpace",
    "wiring": "steelyard.design.spaces.wiring:WiringSpace",
    "regnet": "steelyard.design.spaces.regnet:RegnetSpace",
}
_READY = Path(__file__).parent / "ready"


@lru_cache(maxsize=1)
def _readers() -> dict[str, Reader]:
    """The kinds that there are, users' own among them."""
    return {kind: _reader(where) for kind, where in _OURS.items()}


def _reader(where: str) -> Reader:
    def read(name: str, given: Mapping[str, Any]) -> SearchSpace:
        module, _, attribute = where.partition(":")
        made: SearchSpace = getattr(importlib.import_module(module), attribute).from_table(
            name, given
        )
        return made

    return read


def list_kinds() -> tuple[str, ...]:
    """The kinds of search space, ours and those that were registered."""
    return tuple(sorted(_readers()))


def list_spaces() -> tuple[str, ...]:
    """The names of the spaces that come with steelyard.

    >>> list_spaces()
    ('darts_cifar', 'digits_mobile', 'mnasnet', 'regnetx')
    """
    return tuple(sorted(path.stem for path in _READY.glob("*.toml")))


def register_space(kind: str, reader: Reader) -> None:
    """Adds a kind of one's own: what ``kind = "..."`` in a TOML file means.

    Example: ``register_space("mine", MySpace.from_table)``.

    Raises:
        UsageError: the kind is taken.
    """
    if kind in _readers():
        raise UsageError(f"a kind of search space named {kind!r} is registered already")
    _readers()[kind] = reader


def space_from(given: Mapping[str, Any], name: str) -> SearchSpace:
    """The space that a TOML file's tables describe.

    Args:
        given: as `tomllib` reads them; ``kind`` says what kind of space it is; with a table ``device``, see `Codesign`.
        name: of the space, where there is no key ``name``.

    Raises:
        UsageError: no kind, an unknown key (the nearest is offered), or an impossible value.
        UnknownNameError: an unknown kind, network or operation.
    """
    rest = dict(given)
    kind, name = rest.pop("kind", None), str(rest.pop("name", name))
    if not isinstance(kind, str):
        raise UsageError(
            f"space {name} has no kind", expected="one of " + ", ".join(list_kinds()),
            hint='kind = "mobile"',
        )  # fmt: skip
    if kind not in _readers():
        raise UnknownNameError(
            "kind of search space", kind, list_kinds(), hint=", ".join(list_kinds())
        )
    device = rest.pop("device", None)
    found = _readers()[kind](name, rest)
    if device is None:
        return found
    if not isinstance(device, Mapping):
        raise UsageError(f"device = {device!r}", expected="a table: [device]")
    return Codesign.from_table(found, device)


def load_space(path: str | Path) -> SearchSpace:
    """A space that comes with steelyard, by its name, or a TOML file of one's own.

    >>> load_space("darts_cifar").size > 10**18
    True

    Args:
        path: a name of `list_spaces`, or a path that ends in ``.toml``.

    Raises:
        UnknownNameError: no such space, or as `space_from`.
        FileFormatError: no such file, or it is no TOML.
        UsageError: as `space_from`.
    """
    text = str(path)
    file = _READY / f"{text}.toml" if text in list_spaces() else Path(path)
    if file.suffix != ".toml":
        raise UnknownNameError(
            "search space", text, list_spaces(), hint=f"{', '.join(list_spaces())}, or a file.toml"
        )
    return space_from(read_toml(file, "search space"), file.stem)
