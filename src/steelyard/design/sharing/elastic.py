"""`ElasticNetwork`: all networks of a mobile space in one: kernels, expansions, depths and widths that can shrink.

Once for all (Cai et al. 2019, arXiv:1908.09791), sec. 3.3 and fig. 3: a smaller kernel is the middle of the larger one
times a matrix that its layer has; a shallower stage is the first of its blocks. A narrower layer is the first of its
channels, as in slimmable networks (Yu et al. 2018, arXiv:1812.08928), which need none of the sorting of once for all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from steelyard.capture.weightless import weightless
from steelyard.design.sharing.base import SharedWeights, built, forget_statistics
from steelyard.design.spaces.base import Point
from steelyard.design.spaces.mobile import MobileSpace
from steelyard.errors import UsageError
from steelyard.layers.drop_path import DropPath
from steelyard.layers.inverted_residual import InvertedResidual
from steelyard.layers.squeeze_excite import SqueezeExcite
from steelyard.zoo.mobile import MobileNetwork

_REMEMBERED = 128
"""Skeletons of networks that were used last."""


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """A network without weights, and where each of its parameters comes from: name, name in the largest, shape."""

    network: nn.Module
    sources: tuple[tuple[str, str, tuple[int, ...]], ...]


class ElasticNetwork(SharedWeights):
    """The weights of the largest network, of which every other network of the space is a part.

    Args:
        space: kernels, expansions, depths, widths, squeeze-and-excitation and resolutions are free.

    Raises:
        UsageError: no mobile space, or one whose networks are not all parts of the largest: one that expands in a stage
            where the largest does not.
    """

    def __init__(self, space: MobileSpace) -> None:
        super().__init__()
        self.space = space
        self.biggest, self.smallest = extreme(space, largest=True), extreme(space, largest=False)
        self.largest = built(space, self.biggest)
        forget_statistics(self.largest)
        self._own = dict(self.largest.named_parameters())
        self._skeletons: OrderedDict[Point, _Skeleton] = OrderedDict()
        self._kernels = _kernels(space)
        self.matrices = nn.ParameterDict(self._made_matrices())
        for point in _corners(space, self.biggest):
            self._skeleton(point)

    def forward(self, images: Tensor, point: Point) -> Tensor:
        """The network of a point: (N, C, H, W) -> (N, classes)."""
        if point == self.biggest:
            out: Tensor = self.largest(images)
            return out
        skeleton = self._skeleton(point)
        skeleton.network.train(self.training)
        found: Tensor = functional_call(skeleton.network, self._weights(skeleton), (images,))
        return found

    def weights(self, point: Point) -> dict[str, Tensor]:
        """The parameters of the network of a point, by name; gradients flow back into the shared ones."""
        return self._weights(self._skeleton(self.space.check(point)))

    def extract(self, point: Point) -> nn.Module:
        """The network of a point as an ordinary one, with copies of its weights."""
        network = built(self.space, point)
        found = self.weights(point)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(found[name])
        return network

    def _weights(self, skeleton: _Skeleton) -> dict[str, Tensor]:
        return {name: self._part(source, shape) for name, source, shape in skeleton.sources}

    def _part(self, source: str, shape: tuple[int, ...]) -> Tensor:
        """The first of every axis of a shared parameter; of smaller kernels the middle, transformed."""
        found: Tensor = self._own[source]
        for axis, n in enumerate(shape[:2]):
            found = found.narrow(axis, 0, n)
        if len(shape) == 4 and shape[3] < found.shape[3]:
            found = self._smaller(found, source, shape[3])
        return found

    def _smaller(self, kernels: Tensor, source: str, side: int) -> Tensor:
        """(C, 1, K, K) -> (C, 1, side, side): from size to size, each time the middle times the layer's matrix."""
        for k in self._sizes(source):
            if side <= k < kernels.shape[3]:
                rim = (kernels.shape[3] - k) // 2
                middle = kernels[:, :, rim : rim + k, rim : rim + k].flatten(1)
                matrix = self.matrices[_key(source, k)]
                kernels = (middle @ matrix.T).unflatten(1, (1, k, k))
        return kernels

    def _sizes(self, source: str) -> tuple[int, ...]:
        """Of the kernels that a depthwise convolution may have, falling."""
        return self._kernels[_stage_of(source, self._stages)]

    def _made_matrices(self) -> dict[str, nn.Parameter]:
        """The identity, for every depthwise convolution and every smaller kernel (in the authors' code, too)."""
        self._stages = {
            name: stage for stage, name, _ in _blocks(self.largest, self._repeats(self.biggest))
        }
        found = {}
        for name, block in self.largest.named_modules():
            if isinstance(block, InvertedResidual):
                source = f"{name}.block.{_roles(block)['depthwise']}.0.weight"
                for k in self._kernels[self._stages[name]][1:]:
                    found[_key(source, k)] = nn.Parameter(torch.eye(k * k))
        return found

    def _repeats(self, point: Point) -> tuple[int, ...]:
        values = self.space.values(point)
        return tuple(values[f"stage{i}.repeats"] for i in range(1, len(self._kernels) + 1))

    def _skeleton(self, point: Point) -> _Skeleton:
        found = self._skeletons.pop(point, None)
        if found is None:
            with weightless():
                network = self.space.build(point)
            forget_statistics(network)
            _unregularised(network)
            found = _Skeleton(network, tuple(self._sources(network, point)))
        self._skeletons[point] = found
        if len(self._skeletons) > _REMEMBERED:
            self._skeletons.popitem(last=False)
        return found

    def _sources(
        self, network: nn.Module, point: Point
    ) -> Iterator[tuple[str, str, tuple[int, ...]]]:
        renamed = _renamed(network, self._repeats(point), self.largest, self._repeats(self.biggest))
        for name, parameter in network.named_parameters():
            prefix = next((p for p in renamed if name.startswith(p)), "")
            source = renamed[prefix] + name.removeprefix(prefix) if prefix else name
            shape, whole = tuple(parameter.shape), self._own.get(source)
            if whole is None or any(a > b for a, b in zip(shape, whole.shape, strict=True)):
                raise UsageError(
                    f"{self.space.name}: the network {self.space.encode(point)} is no part of the largest, "
                    f"which lacks {source} of shape {shape}",
                    expected="a space whose largest network has every part, such as expansions above 1",
                )
            yield name, source, shape


def extreme(space: MobileSpace, *, largest: bool) -> Point:
    """The point of the largest values of all choices, or of the smallest."""
    best = max if largest else min
    return tuple(choice.values.index(best(choice.values)) for choice in space.choices)


def _unregularised(network: nn.Module) -> None:
    """Only the largest is regularised: BigNAS (Yu et al. 2020, arXiv:2003.11142), sec. 3.1."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, DropPath):
            module.rate = 0.0


def _kernels(space: MobileSpace) -> tuple[tuple[int, ...], ...]:
    """Of each stage, falling."""
    return tuple(tuple(sorted(stage.kernel, reverse=True)) for stage in space.stages)


def _corners(space: MobileSpace, point: Point) -> Iterator[Point]:
    """The point and those that differ from it in one choice."""
    for place, choice in enumerate(space.choices):
        for index in range(len(choice.values)):
            yield (*point[:place], index, *point[place + 1 :])


def _blocks(
    network: nn.Module, repeats: tuple[int, ...]
) -> Iterator[tuple[int, str, InvertedResidual]]:
    """Stage, name and block, in order."""
    every = [(n, m) for n, m in network.named_modules() if isinstance(m, InvertedResidual)]
    stages = [stage for stage, count in enumerate(repeats) for _ in range(count)]
    for stage, (name, block) in zip(stages, every, strict=True):
        yield stage, name, block


def _roles(block: InvertedResidual) -> dict[str, int]:
    """Where in its chain the steps of a block stand."""
    steps = list(block.block)
    places = [i for i, step in enumerate(steps) if not isinstance(step, SqueezeExcite)]
    found = {"project": places[-1], "depthwise": places[-2]}
    if len(places) > 2:
        found["expand"] = places[0]
    squeezes = set(range(len(steps))) - set(places)
    return found | ({"se": squeezes.pop()} if squeezes else {})


def _renamed(
    network: nn.Module, repeats: tuple[int, ...], largest: nn.Module, most: tuple[int, ...]
) -> Mapping[str, str]:
    """Prefixes of names in a network, and what they are in the largest; longer ones do not begin with shorter ones."""
    theirs: dict[tuple[int, int], tuple[str, InvertedResidual]] = {}
    for where, name, block in _places(largest, most):
        theirs[where] = name, block
    found = {}
    for where, name, block in _places(network, repeats):
        their_name, their_block = theirs[where]
        their_roles = _roles(their_block)
        for role, i in _roles(block).items():
            j = their_roles.get(role)
            found[f"{name}.block.{i}."] = f"{their_name}.block.{'' if j is None else j}."
    if isinstance(network, MobileNetwork) and isinstance(largest, MobileNetwork):
        last, their_last = len(network.features) - 1, len(largest.features) - 1
        found[f"features.{last}."] = f"features.{their_last}."
    return found


def _places(
    network: nn.Module, repeats: tuple[int, ...]
) -> Iterator[tuple[tuple[int, int], str, InvertedResidual]]:
    """The blocks by stage and number within."""
    seen: dict[int, int] = {}
    for stage, name, block in _blocks(network, repeats):
        number = seen.get(stage, 0)
        seen[stage] = number + 1
        yield (stage, number), name, block


def _stage_of(source: str, stages: Mapping[str, int]) -> int:
    return next(stage for name, stage in stages.items() if source.startswith(f"{name}."))


def _key(source: str, side: int) -> str:
    return f"{source.replace('.', '_')}_{side}"
