"""`SearchSpace`: what a search space is: choices, what they build, and how its points are drawn and changed.

A point is one index for each choice. A space of one's own derives from `SearchSpace`, says what its choices are and
builds a network for a point; `steelyard.design.conformance` holds the tests that it must pass, and
`register_space` lets TOML files use it.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from steelyard.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

Point = tuple[int, ...]
"""One index into the values of each choice."""

DRAWS = 10_000
"""How often a point is drawn until one is allowed."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to decide.

    Attributes:
        name: unique in its space.
        values: what there is to choose from; they differ.
    """

    name: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) != len(self.values):
            raise UsageError(
                f"{self.name} = {list(self.values)}", expected="one value or more, all different"
            )


@dataclass(frozen=True, slots=True)
class Part:
    """One link of a network that is a chain: what it is captured from, and what makes it equal to others.

    Attributes:
        key: parts with equal keys are built alike, and with equal shapes, too, cost the same.
        shape: of its input (N, C, H, W).
        make: builds it; called under `weightless`, once for each key.
    """

    key: Hashable
    shape: tuple[int, ...]
    make: Callable[[], nn.Module]


class SearchSpace(ABC):
    """A set of networks, each of which is a point: one value for every choice."""

    kind: ClassVar[str]
    """What a TOML file calls such spaces."""

    name: str
    """Of this one."""

    coupled: ClassVar[tuple[str, ...]] = ()
    """Prefixes of the names of the choices that `allowed` looks at; () if it allows everything."""

    @property
    @abstractmethod
    def choices(self) -> tuple[Choice, ...]:
        """What there is to decide, always in the same order."""

    @property
    def fixed(self) -> Mapping[str, object]:
        """What is the same in all networks, for people and for the comparison of two spaces."""
        return {}

    def allowed(self, values: Mapping[str, Any]) -> bool:
        """Whether these values of the `coupled` choices go together."""
        del values
        return True

    def zoo(self, point: Point) -> tuple[str, dict[str, Any]] | None:
        """The network as a name of the zoo and settings of `create`; None if the zoo has no such family."""
        del point
        return None

    def build(self, point: Point) -> nn.Module:
        """The network, freshly initialised.

        Raises:
            UsageError: no point of this space, or one of which no network can be made.
        """
        from steelyard.zoo.registry import create

        found = self.zoo(point)
        if found is None:
            raise UsageError(f"{type(self).__name__} does not say how its networks are built")
        name, settings = found
        return create(name, **settings)

    @abstractmethod
    def input_shape(self, point: Point) -> tuple[int, int, int, int]:
        """What the network takes: (N, C, H, W) with N = 1."""

    def parts(self, point: Point) -> tuple[Part, ...] | None:
        """The network as a chain of parts, each of which reads only what the one before it gives.

        Costs are then counted part by part, each captured once. None: the network is captured as a whole.
        """
        del point
        return None

    # ---- what follows from the choices -----------------------------------------------------------------

    @cached_property
    def _counts(self) -> tuple[int, ...]:
        return tuple(len(choice.values) for choice in self.choices)

    @cached_property
    def _coupled(self) -> tuple[int, ...]:
        """Places of the choices that `allowed` looks at."""
        return tuple(
            i
            for i, choice in enumerate(self.choices)
            if any(choice.name.startswith(prefix) for prefix in self.coupled)
        )

    @cached_property
    def size(self) -> int:
        """How many points there are, exactly."""
        free = prod(n for i, n in enumerate(self._counts) if i not in self._coupled)
        if not self._coupled:
            return free
        together = itertools.product(*(self.choices[i].values for i in self._coupled))
        names = [self.choices[i].name for i in self._coupled]
        return free * sum(self.allowed(dict(zip(names, one, strict=True))) for one in together)

    def points(self) -> Iterator[Point]:
        """All of them, in order."""
        every = itertools.product(*(range(n) for n in self._counts))
        return (point for point in every if self.contains(point))

    def contains(self, point: Sequence[int]) -> bool:
        """Whether it is a point of this space."""
        return (
            len(point) == len(self._counts)
            and all(0 <= i < n for i, n in zip(point, self._counts, strict=True))
            and (not self._coupled or self.allowed(self.values(point)))
        )

    def values(self, point: Sequence[int]) -> dict[str, Any]:
        """The value of every choice, by name."""
        return {c.name: c.values[i] for c, i in zip(self.choices, point, strict=True)}

    def check(self, point: Sequence[int]) -> Point:
        """The point itself.

        Raises:
            UsageError: it is none of this space.
        """
        if not self.contains(point):
            raise UsageError(
                f"{tuple(point)} is no point of {self.name}",
                expected=f"{len(self._counts)} indices below {self._counts}, of values that go together",
            )
        return tuple(point)

    # ---- drawing and changing ----------------------------------------------------------------------------

    def sample(self, random: Random) -> Point:
        """A point, all with equal probability.

        Raises:
            UsageError: none of `DRAWS` points was allowed.
        """
        return self._drawn(lambda: tuple(random.randrange(n) for n in self._counts))

    def mutate(self, point: Point, random: Random) -> Point:
        """The point with one choice changed; itself where nothing can be changed."""
        places = [i for i, n in enumerate(self._counts) if n > 1]
        if not places:
            return point

        def changed() -> Point:
            i = places[random.randrange(len(places))]
            other = random.randrange(self._counts[i] - 1)
            return (*point[:i], other + (other >= point[i]), *point[i + 1 :])

        return self._drawn(changed, point)

    def crossover(self, one: Point, other: Point, random: Random) -> Point:
        """Each choice from either parent, with equal probability."""
        return self._drawn(
            lambda: tuple(
                a if random.random() < 0.5 else b for a, b in zip(one, other, strict=True)
            ),
            one,
        )

    def _drawn(self, draw: Callable[[], Point], otherwise: Point | None = None) -> Point:
        for _ in range(DRAWS):
            point = draw()
            if not self._coupled or self.contains(point):
                return point
        if otherwise is not None:
            return otherwise
        raise UsageError(
            f"{self.name}: of {DRAWS} points drawn none was allowed",
            expected="choices whose values go together",
        )

    # ---- as text and numbers -----------------------------------------------------------------------------

    def encode(self, point: Point) -> str:
        """A key: equal for equal points, different for others."""
        return "-".join(map(str, self.check(point)))

    def decode(self, key: str) -> Point:
        """The inverse of `encode`.

        Raises:
            UsageError: no key of a point of this space.
        """
        parts = key.split("-")
        if not all(part.isdecimal() and part.isascii() for part in parts):
            raise UsageError(f"{key!r} is no key of {self.name}", expected="indices such as 0-2-1")
        return self.check([int(part) for part in parts])

    def vector(self, point: Point) -> tuple[float, ...]:
        """The point in the unit cube: 0 for the first value of a choice, 1 for the last."""
        return tuple(i / max(1, n - 1) for i, n in zip(point, self._counts, strict=True))

    def describe(self) -> dict[str, str]:
        """Everything that makes two spaces the same or not, as text by name."""
        found = {"kind": self.kind}
        found |= {name: repr(value) for name, value in self.fixed.items()}
        return found | {choice.name: _listed(choice.values) for choice in self.choices}


_SHOWN = 60


def _listed(values: tuple[Any, ...]) -> str:
    """The values; of very many their number and a digest."""
    if len(values) <= _SHOWN:
        return ", ".join(map(repr, values))
    import hashlib

    digest = hashlib.sha256(repr(values).encode()).hexdigest()[:12]
    return f"{len(values)} values, {values[0]!r} to {values[-1]!r}, sha256 {digest}"
