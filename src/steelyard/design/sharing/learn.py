"""`learn`: what a strategy with shared weights learns before anything is proposed: weights, a controller, or cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from steelyard.design.latency import energy_j
from steelyard.design.search.goals import Quantity
from steelyard.design.search.parts import counts_of
from steelyard.design.search.places import Places
from steelyard.design.search.strategies import STRATEGIES, Proposal, Strategy, Values
from steelyard.design.sharing.base import SharedWeights
from steelyard.design.sharing.cells import SharedCells
from steelyard.design.sharing.darts import Darts, Weighed
from steelyard.design.sharing.data import Images, images_of
from steelyard.design.sharing.elastic import ElasticNetwork
from steelyard.design.sharing.enas import Enas, Policy
from steelyard.design.sharing.expected_cost import expected_cost
from steelyard.design.sharing.judging import Judge
from steelyard.design.sharing.lesson import Pupil, Tell, teach
from steelyard.design.sharing.options import DartsOptions, EnasOptions, OnceForAll, Options
from steelyard.design.sharing.sandwich import Sandwich
from steelyard.design.spaces.base import Point, SearchSpace
from steelyard.design.spaces.cells import DartsSpace
from steelyard.design.spaces.mobile import MobileSpace
from steelyard.errors import InputError, UsageError
from steelyard.train.recipe import Recipe
from steelyard.workload import Workload

CELLS, FILTERS = 8, 16
"""Of the network that DARTS mixes (sec. 3.1)."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What proposes, and what judges.

    Attributes:
        strategy: that proposes.
        judge: of networks with shared weights; None: networks are trained themselves.
        fact: where errors come from, or what was learnt.
    """

    strategy: Strategy
    judge: Judge | None
    fact: str


class Derived(Strategy):
    """The one network that DARTS derives."""

    def __init__(self, point: Point) -> None:
        self.point = point

    def propose(self, number: int, attempt: int) -> Proposal:
        """That network."""
        return Proposal(self.point)

    def tell(self, proposal: Proposal, values: Values | None) -> None:
        """Nothing is learnt any more."""


def check_learning(
    options: Options, space: SearchSpace, objectives: Sequence[Quantity], *, constrained: bool
) -> None:
    """Whether a strategy suits a search, before anything is done.

    Raises:
        UsageError: another kind of space than the strategy's, no objective that it learns from, or a constraint that it
            cannot hold.
    """
    kinds: tuple[type[SearchSpace], ...] = {
        OnceForAll: (MobileSpace,), EnasOptions: (MobileSpace, DartsSpace), DartsOptions: (DartsSpace,),
    }[type(options)]  # fmt: skip
    if not isinstance(space, kinds):
        raise UsageError(
            f"the space {space.name} is of the kind {space.kind}",
            expected="for this strategy " + " or ".join(kind.kind for kind in kinds),
        )
    names = [one.name for one in objectives]
    if not isinstance(options, DartsOptions) and "error" not in names:
        raise UsageError(
            f"shared weights tell the error, and the objectives are {', '.join(names)}",
            expected="error among them",
            hint="--objective error,macs",
        )
    if isinstance(options, DartsOptions) and constrained:
        raise UsageError(
            "DARTS derives one network, which no constraint changes",
            expected="no constraint; an objective besides the error counts by its weight",
            hint="--objective error,macs --strategy darts:cost=0.3",
        )
    if isinstance(options, OnceForAll) and not (options.between or options.ends):
        raise UsageError("ends=false,between=0", expected="networks for every step")
    if not 0 < options.held < 1:
        raise UsageError(f"held={options.held}", expected="above 0 and below 1")


def learn(
    options: Options,
    space: SearchSpace,
    objectives: Sequence[Quantity],
    recipe: Recipe | None,
    *,
    found: Places,
    seed: int,
    trials: int,
    folder: Path,
    tell: Tell,
) -> Learnt:
    """Trains the shared weights of a strategy, or goes on with it, or takes what is finished.

    Args:
        options: the strategy.
        space, objectives: of the search.
        recipe: data, transforms, optimiser and schedule.
        found: the devices of the objectives.
        seed: of the search, which replaces the recipe's.
        trials: of the search.
        folder: of the checkpoints.
        tell: told of every step.

    Raises:
        UsageError: no recipe, or a space that shares no weights.
        InputError: data that does not suit the space, or a folder that cannot be used.
        DivergedError: a loss is not finite.
        KeyboardInterrupt: interrupted; everything is saved.
    """
    if recipe is None:
        raise UsageError(
            "shared weights need a recipe to be trained by",
            expected="a name of steelyard train --list, or a TOML file; its network is replaced",
            hint="--recipe digits_resnet56",
        )
    recipe = replace(recipe, seed=seed, epochs=options.epochs or recipe.epochs)
    images = images_of(recipe, options.held)
    head = {
        "strategy": type(options).__name__, "options": asdict(options), "space": space.describe(),
        "recipe": recipe.to_dict(),
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        shared = _shared(options, space)
    _check_classes(shared, images, recipe)
    pupil = _pupil(options, shared, recipe, objectives, found)
    teach(pupil, images, recipe, folder=folder, head=head, tell=tell)
    return _learnt(options, pupil, Judge(shared, images), len(objectives), trials, recipe)


def _shared(options: Options, space: SearchSpace) -> SharedWeights:
    if isinstance(space, MobileSpace):
        return ElasticNetwork(space)
    if not isinstance(space, DartsSpace):
        raise UsageError(f"networks of the kind {space.kind} share no weights")
    if isinstance(options, DartsOptions):
        layers = options.layers or min(CELLS, *space.layers)
        filters = options.filters or min(FILTERS, *space.filters)
        return SharedCells(space, learnt_norms=False, layers=layers, filters=filters)
    return SharedCells(space)


def _pupil(
    options: Options,
    shared: SharedWeights,
    recipe: Recipe,
    objectives: Sequence[Quantity],
    found: Places,
) -> Pupil:
    if isinstance(options, OnceForAll) and isinstance(shared, ElasticNetwork):
        return Sandwich(
            shared, recipe, between=options.between, distil=options.distil, ends=options.ends
        )
    if isinstance(options, EnasOptions):
        return Enas(
            shared, recipe, steps=options.steps, batch=options.batch, rate=options.rate,
            entropy=options.entropy,
        )  # fmt: skip
    if isinstance(options, DartsOptions) and isinstance(shared, SharedCells):
        costs = [
            Weighed(expected_cost(shared, _cost(one, found)), options.cost)
            for one in objectives
            if one.name != "error"
        ]
        return Darts(
            shared,
            recipe,
            order=options.order,
            near=options.near,
            rate=options.rate,
            decay=options.decay,
            costs=costs,
        )
    raise UsageError(f"networks of {shared.space.name} do not share their weights so")


def _learnt(
    options: Options, pupil: Pupil, judge: Judge, objectives: int, trials: int, recipe: Recipe
) -> Learnt:
    space, seed = judge.shared.space, recipe.seed
    if isinstance(pupil, Darts):
        fact = f"derived from mixed operations after {_epochs(recipe)}, gradients of order {pupil.order}"
        return Learnt(Derived(pupil.derived()), None, fact)
    held = len(judge.images.judge.dataset)
    fact = (
        f"of {held:,} training images that no weights learnt from, with weights shared by all networks, trained for "
        f"{_epochs(recipe)}: a proxy for full training"
    )
    if isinstance(pupil, Enas):
        return Learnt(Policy(space, pupil.controller, seed), judge, fact)
    after = "evolution" if objectives == 1 else "nsga2"
    return Learnt(STRATEGIES[after](space, seed, objectives, trials), judge, fact)


def _epochs(recipe: Recipe) -> str:
    return f"{recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''} by the recipe {recipe.name}"


def _check_classes(shared: SharedWeights, images: Images, recipe: Recipe) -> None:
    point = tuple(0 for _ in shared.space.choices)
    batch = next(iter(images.judge.epoch(0))).images[:2]
    with torch.no_grad():
        classes = shared(shared.sized(batch, point), point).shape[1]
    if classes != len(images.classes):
        raise InputError(
            f"networks of {shared.space.name} have {classes:,} classes, {recipe.data.source} has "
            f"{len(images.classes):,}",
            expected="as many",
            hint=f"num_classes = {len(images.classes)} under [settings] of the space",
        )


def _cost(one: Quantity, found: Places) -> Callable[[Workload], float]:
    """Of a captured operation, for an objective that is the sum of its parts."""
    if one.name == "latency_ms":
        clock = found.clocks[one.device]
        if clock.means == "measured":
            raise UsageError(
                f"{one}: DARTS needs the latency of single operations, which is not measured here",
                expected="a machine that is calibrated, or a modelled device",
                hint="steelyard calibrate",
            )
        return lambda load: 1e3 * clock.seconds("", load)
    if one.name == "energy_mj":
        return lambda load: 1e3 * energy_j(load, found.chips[one.device])
    if one.name in ("peak_memory", "naswot"):
        raise UsageError(
            f"{one} is no sum over the operations of a network",
            expected="for DARTS error, macs, params, access, latency_ms@DEVICE or energy_mj@DEVICE",
        )
    names = {"macs": "macs", "params": "params", "access": "access_bytes"}
    return lambda load: float(getattr(counts_of(load), names[one.name]))
