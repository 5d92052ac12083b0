"""`SpaceContract`: a pytest class that any search space must pass; derive from it and say what the space is.

::

    class TestMine(SpaceContract):
        def space(self) -> SearchSpace:
            return MySpace(...)
"""

from __future__ import annotations

from random import Random
from typing import ClassVar

import pytest

from steelyard.capture.api import capture
from steelyard.capture.weightless import weightless
from steelyard.design.search.parts import PartCosts, whole_costs
from steelyard.design.spaces.base import SearchSpace
from steelyard.errors import UsageError

_MANY, _FEW, _ALL = 200, 4, 5000
"""Points that are drawn, that are built, and up to which a space is enumerated."""


class SpaceContract:
    """What `SearchSpace` promises."""

    seed: ClassVar[int] = 0
    """Of all that is drawn."""

    def space(self) -> SearchSpace:
        """The space, made anew."""
        pytest.fail(f"{type(self).__name__} does not say what its space is")

    def test_names_of_choices_differ(self) -> None:
        """So that values can be looked up by name."""
        names = [choice.name for choice in self.space().choices]
        assert names
        assert len(set(names)) == len(names)

    def test_size_is_what_enumeration_counts(self) -> None:
        """For spaces that are small enough."""
        space = self.space()
        if space.size > _ALL:
            pytest.skip(f"{space.size} points")
        points = list(space.points())
        assert len(points) == len(set(points)) == space.size

    def test_drawn_points_are_inside_and_survive_encoding(self) -> None:
        """The key is one to one, the vector lies in the unit cube."""
        space, random = self.space(), Random(self.seed)  # noqa: S311
        points = [space.sample(random) for _ in range(_MANY)]
        assert all(space.contains(point) for point in points)
        assert all(space.decode(space.encode(point)) == point for point in points)
        assert len({space.encode(point) for point in points}) == len(set(points))
        assert all(0 <= x <= 1 for point in points for x in space.vector(point))

    def test_the_same_seed_draws_the_same_points(self) -> None:
        """In a space made anew, too."""
        drawn = []
        for _ in range(2):
            space, random = self.space(), Random(self.seed)  # noqa: S311
            drawn.append([space.sample(random) for _ in range(10)])
        assert drawn[0] == drawn[1]

    def test_mutants_and_children_stay_inside(self) -> None:
        """A mutant differs in one choice; a child has each choice from a parent."""
        space, random = self.space(), Random(self.seed)  # noqa: S311
        for _ in range(_MANY):
            one, other = space.sample(random), space.sample(random)
            mutant = space.mutate(one, random)
            child = space.crossover(one, other, random)
            assert space.contains(mutant)
            assert space.contains(child)
            assert sum(a != b for a, b in zip(one, mutant, strict=True)) <= 1
            assert all(c in (a, b) for a, b, c in zip(one, other, child, strict=True))

    def test_other_points_are_refused(self) -> None:
        """Too few, and beyond the last value."""
        space = self.space()
        point = space.sample(Random(self.seed))  # noqa: S311
        for wrong in (point[:-1], (len(space.choices[0].values), *point[1:])):
            with pytest.raises(UsageError, match="is no point"):
                space.check(wrong)
        with pytest.raises(UsageError, match="no key"):
            space.decode("nonsense")

    def test_every_point_builds_a_network_that_runs(self) -> None:
        """On the shape that the space says."""
        space, random = self.space(), Random(self.seed)  # noqa: S311
        for _ in range(_FEW):
            point = space.sample(random)
            with weightless():
                network = space.build(point)
            load = capture(network, input_shape=space.input_shape(point))
            assert load.macs > 0

    def test_parts_add_up_to_the_whole(self) -> None:
        """Parameters, MACs, memory access and peak memory, exactly."""
        space, random = self.space(), Random(self.seed)  # noqa: S311
        point = space.sample(random)
        if space.parts(point) is None:
            pytest.skip("no chain of parts")
        costs = PartCosts(space)
        for _ in range(_FEW):
            point = space.sample(random)
            assert costs(point) == whole_costs(space, point)
