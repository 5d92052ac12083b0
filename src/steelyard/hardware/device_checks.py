"""What names and numbers of a device must be, with the errors for those that are not."""

from __future__ import annotations

from math import isfinite

from steelyard.errors import InputError, UnknownNameError


def known(what: str, name: str, names: tuple[str, ...]) -> None:
    """A name that is one of those.

    Raises:
        UnknownNameError: it is not.
    """
    if name not in names:
        raise UnknownNameError(what, name, names, hint="one of " + ", ".join(names))


def at_least_one(what: str, value: int) -> None:
    """A whole number from 1.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(value, int) or value < 1:
        raise InputError(f"{what} is {value!r}", expected="a whole number from 1")


def not_negative(what: str, value: float) -> None:
    """A number from 0, finite.

    Raises:
        InputError: it is something else.
    """
    if not isfinite(value) or value < 0:
        raise InputError(f"{what} is {value!r}", expected="a number from 0")
