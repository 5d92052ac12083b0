"""The exception tree of steelyard: everything that its public API raises on purpose.

::

    SteelyardError
    ├── UsageError            the call itself is wrong: unknown option, missing argument    (exit 2)
    ├── InputError            what was handed in is wrong                                   (exit 3)
    │   ├── UnknownNameError      no such network, term, device ...; nearest names offered
    │   ├── ShapeError            a tensor's shape or rank does not fit a layer
    │   ├── FileFormatError       a file is missing, unreadable, damaged or not what it says
    │   ├── ModelError            the user's network raised while it was run
    │   ├── DataDependentError    the network reads tensor values and none were given
    │   ├── TimeLimitError        the network or file was not done within the deadline
    │   └── DivergedError         training gave a loss or a gradient that is not finite
    ├── MissingExtraError     an optional library is not installed; the install line is given (exit 4)
    ├── BackendError          a backend failed for a reason of its own                      (exit 4)
    └── LimitError            a budget the user set is exceeded                             (exit 1)

Every message says what was given, what was expected, and what to type next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SteelyardError(Exception):
    """Root of the tree.

    Args:
        given: what was found, in one sentence.
        expected: what would have been right ("" where ``given`` says it all).
        hint: what to type or do next ("" where nothing helps).
    """

    exit_code = 3

    def __init__(self, given: str, *, expected: str = "", hint: str = "") -> None:
        self.given = given
        self.expected = expected
        self.hint = hint
        lines = [given]
        if expected:
            lines.append(f"expected: {expected}")
        if hint:
            lines.append(f"try: {hint}")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[object, ...]:
        # so that it comes whole out of another process, whatever its own class is made with
        return _again, (type(self), self.given, self.expected, self.hint), self.__dict__


def _again(kind: type[SteelyardError], given: str, expected: str, hint: str) -> SteelyardError:
    error = kind.__new__(kind)
    SteelyardError.__init__(error, given, expected=expected, hint=hint)
    return error


class UsageError(SteelyardError, ValueError):
    """The call itself is wrong."""

    exit_code = 2


class InputError(SteelyardError, ValueError):
    """What was handed in is wrong."""


_FEW = 8
"""So many names can be listed, where none is near."""


class UnknownNameError(InputError, LookupError):
    """No such name. ``nearest`` holds the closest known names."""

    def __init__(self, what: str, name: str, known: Iterable[str], *, hint: str = "") -> None:
        known = list(known)
        self.nearest = nearest(name, known)
        expected = ""
        if self.nearest:
            expected = f"one of the known names; nearest: {', '.join(self.nearest)}"
        elif 0 < len(known) <= _FEW:
            expected = f"one of {', '.join(known)}"
        super().__init__(f"no {what} is named {name!r}", expected=expected, hint=hint)


class ShapeError(InputError):
    """A tensor's shape or rank does not fit."""


class FileFormatError(InputError):
    """A file is missing, unreadable, damaged, unsafe, or not what its extension says."""


class ModelError(InputError):
    """The user's own network raised while steelyard ran it; the original is ``__cause__``."""


class DataDependentError(InputError):
    """The network reads tensor values (``if x.sum() > 0``) and no example values were given."""


class TimeLimitError(InputError, TimeoutError):
    """Not done within the deadline."""


class DivergedError(InputError, ArithmeticError):
    """A training's loss or gradient is not finite."""


class MissingExtraError(SteelyardError, ImportError):
    """An optional library is missing."""

    exit_code = 4

    def __init__(self, feature: str, *, extra: str, package: str) -> None:
        super().__init__(
            f"{feature} needs the package {package}, which is not installed",
            hint=f"pip install 'steelyard[{extra}]'",
        )


class BackendError(SteelyardError, RuntimeError):
    """A backend failed for a reason of its own."""

    exit_code = 4


class LimitError(SteelyardError):
    """A budget that the user set is exceeded."""

    exit_code = 1


def nearest(name: str, known: Iterable[str], *, n: int = 3) -> tuple[str, ...]:
    """The known names closest to ``name``, best first.

    >>> nearest("resnet5O", ["resnet50", "resnet18", "vgg16"], n=1)
    ('resnet50',)
    """
    return tuple(difflib.get_close_matches(name, list(known), n=n, cutoff=0.5))
