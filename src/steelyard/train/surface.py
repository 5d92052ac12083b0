"""`loss_surface`: the loss around a network, or between two, on a line or a plane through its weights.

Li, Xu, Taylor, Studer, Goldstein, "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018 (arXiv:1712.09913).
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from steelyard._cache import cache_folder
from steelyard._display import Printable
from steelyard._kept import Kept
from steelyard.data.dataset import Dataset
from steelyard.data.transforms import Pipeline, parse_transforms
from steelyard.errors import InputError, UsageError
from steelyard.hardware.engines import on_processes
from steelyard.train.checkpoint import checkpoints, load
from steelyard.train.directions import (
    Direction,
    Normalisation,
    difference,
    principal_plane,
    random_direction,
    weights_of,
)
from steelyard.train.subject import subject_of, weights_digest
from steelyard.train.surface_point import STATISTICS, Problem, Statistics, Value, at_points
from steelyard.zoo.weights.tensorfiles import read_tensors

if TYPE_CHECKING:
    from steelyard.report.table import Table
    from steelyard.train.run import Run

__all__ = ["LossSurface", "SurfaceSettings", "loss_surface"]

Kind = Literal["line", "plane", "between", "way"]
Weights = Mapping[str, Tensor] | str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class SurfaceSettings:
    """How a surface is made.

    Attributes:
        dimensions: 1 or 2.
        low, high: of both axes; the weights themselves are at 0, other ones at 1, and a way of training
            reaches from -1 or to 1.
        steps: points along each axis; odd, so that one is at the middle.
        seed: of the random directions and of the choice of samples.
        normalise: of random directions, see `steelyard.train.directions.random_direction`.
        vectors: move biases and normalisations as well; the paper leaves them where they are.
        statistics: of batch normalisation: ``kept``, as in the paper's code, or ``recomputed`` at every point.
        samples: images, drawn once; 0 for all.
        batch: images at once.
    """

    dimensions: int = 2
    low: float = -1.0
    high: float = 1.0
    steps: int = 25
    seed: int = 0
    normalise: Normalisation = "filter"
    vectors: bool = False
    statistics: Statistics = "kept"
    samples: int = 1024
    batch: int = 128

    def __post_init__(self) -> None:
        problems = {
            f"dimensions={self.dimensions}": (self.dimensions in (1, 2), "1 or 2"),
            f"steps={self.steps}": (self.steps >= 2, "2 or more"),
            f"low={self.low}, high={self.high}": (self.low < self.high, "low below high"),
            f"samples={self.samples}": (self.samples >= 0, "0 for all, or more"),
            f"batch={self.batch}": (self.batch >= 1, "1 or more"),
            f"statistics={self.statistics!r}": (
                self.statistics in STATISTICS,
                ", ".join(STATISTICS),
            ),
        }
        for given, (right, expected) in problems.items():
            if not right:
                raise UsageError(given, expected=expected)

    @property
    def axis(self) -> tuple[float, ...]:
        """The coordinates of the points along an axis; 0 is exact where it is one of them."""
        last = self.steps - 1
        return tuple((self.low * (last - i) + self.high * i) / last for i in range(self.steps))


@dataclass(frozen=True, slots=True)
class LossSurface(Printable):
    """The loss on a line or a plane through a network's weights.

    Attributes:
        network, weights: what it is around.
        weights_sha256: of the weights at (0, 0).
        data, split, fingerprint, samples, preprocessing: what the loss is of.
        kind: ``line`` and ``plane``: random directions; ``between``: 0 is the network and 1 the other one;
            ``way``: the plane of a training's principal components.
        settings: how it was made.
        loss: nats, rows along y, one row on a line; None where it is not finite.
        top1: accuracy in percent, as well.
        way: coordinates of the states of a training, the last at (0, 0).
        shares: of the way's variance that each axis explains.
        notes: what could not be kept.
    """

    network: str
    weights: str
    weights_sha256: str
    data: str
    split: str
    fingerprint: str
    samples: int
    preprocessing: str
    kind: Kind
    settings: SurfaceSettings
    loss: tuple[tuple[float | None, ...], ...] = field(repr=False)
    top1: tuple[tuple[float, ...], ...] = field(repr=False)
    way: tuple[tuple[float, float], ...] = ()
    shares: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    @property
    def x(self) -> tuple[float, ...]:
        """Coordinates along the first direction."""
        return self.settings.axis

    @property
    def y(self) -> tuple[float, ...]:
        """Coordinates along the second direction; (0,) on a line."""
        return self.settings.axis if len(self.loss) > 1 else (0.0,)

    def at(self, x: float, y: float = 0.0) -> float | None:
        """The loss at a point of the grid.

        Raises:
            InputError: none is there.
        """
        if x not in self.x or y not in self.y:
            raise InputError(f"({x}, {y}) is no point of the grid", expected="one of x and y")
        return self.loss[self.y.index(y)][self.x.index(x)]

    def records(self) -> Table:
        """Every point as one flat table: what CSV holds."""
        return _layout.records(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.surface/1``."""
        return {"schema": "steelyard.surface/1", **asdict(self), "x": self.x, "y": self.y}


def loss_surface(
    network: nn.Module | Run | str | os.PathLike[str],
    *,
    data: str | Dataset | None = None,
    split: str = "train",
    transforms: Sequence[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    checkpoint: Literal["best", "last"] = "best",
    settings: SurfaceSettings | None = None,
    towards: Weights | None = None,
    way: Sequence[Weights] = (),
    workers: int = 1,
    store: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LossSurface:
    """The loss on a grid around a network; points that are known from before are not computed again.

    Example: ``loss_surface("runs/first", settings=SurfaceSettings(steps=51))``.

    The same for any number of workers, to the last bit: each point is computed on one thread. It is kept as soon
    as it is done, so that a surface that was interrupted goes on where it was.

    Args:
        network, data, transforms, weights, checkpoint: as `steelyard.evaluate` takes them.
        split: of the data; the training set, whose loss was minimised, if not given.
        settings: range, steps, directions, samples.
        towards: other weights of the same network, at 1 on a line; a file or a state dict. Batch normalisation's
            statistics go along.
        way: states of a training in its order, files or state dicts; the plane is theirs. A run's folder stands
            for all its checkpoints up to the one that the network has.
        workers: processes.
        store: the file in which points are kept; ``surfaces.sqlite`` in the cache folder if not given.
        progress: called with (points done, all).

    Raises:
        UsageError: impossible settings, ``towards`` and ``way`` at once, or a network that cannot be sent to workers.
        InputError: weights of another network, or other classes than the data.
        BackendError: workers are killed again and again.
    """
    settings = settings or (
        SurfaceSettings() if towards is None else SurfaceSettings(low=-0.5, high=1.5)
    )
    if towards is not None and way:
        raise UsageError("towards and way", expected="one of them")
    if workers < 1:
        raise UsageError(f"workers={workers}", expected="1 or more")
    subject = subject_of(network, weights=weights, checkpoint=checkpoint)
    found = subject.dataset(data, split)
    pipeline = parse_transforms(transforms if transforms is not None else subject.transforms)
    pipeline = pipeline.of_data(found.name).evaluation()
    kind, directions, places, shares = _directions(subject.network, settings, towards, way)
    chosen = _samples(len(found), settings)
    images, labels = _seen(found, pipeline, chosen, settings.batch)
    module = copy.deepcopy(subject.network).to("cpu")
    problem = Problem(
        module, _origin(module, directions), directions, images, labels, settings.batch, settings.statistics
    )  # fmt: skip
    digest = weights_digest(module)
    facts = _facts(problem, digest, found, pipeline, chosen)
    values, notes = _values(problem, _grid(settings, directions), facts, workers, store, progress)
    rows = [values[i : i + settings.steps] for i in range(0, len(values), settings.steps)]
    return LossSurface(
        network=subject.name,
        weights=subject.weights,
        weights_sha256=digest,
        data=found.name,
        split=found.split,
        fingerprint=found.fingerprint,
        samples=len(chosen),
        preprocessing="; ".join(str(pipeline).splitlines()),
        kind=kind,
        settings=settings,
        loss=tuple(tuple(loss for loss, _ in row) for row in rows),
        top1=tuple(tuple(top1 for _, top1 in row) for row in rows),
        way=places,
        shares=shares,
        notes=notes,
    )


def _directions(
    network: nn.Module, settings: SurfaceSettings, towards: Weights | None, way: Sequence[Weights]
) -> tuple[
    Kind, tuple[Direction, ...], tuple[tuple[float, float], ...], tuple[float, float] | None
]:
    own = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    if towards is not None:
        return "between", (difference(own, _state(towards)),), (), None
    if way:
        names = {name for name, _ in network.named_parameters()}
        last = {name: tensor for name, tensor in own.items() if name in names}
        states = [state for one in way for state in _states(one, last)]
        plane = principal_plane([*states, last], vectors=settings.vectors)
        return "way", (plane.first, plane.second), plane.places, plane.shares
    weights = weights_of(network)
    directions = tuple(
        random_direction(
            weights, settings.seed + i, normalise=settings.normalise, vectors=settings.vectors
        )
        for i in range(settings.dimensions)
    )
    return ("plane" if len(directions) == 2 else "line"), directions, (), None


def _states(one: Weights, last: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The parameters of a file, or of a run's checkpoints before the one that equals ``last``."""
    if isinstance(one, Mapping) or not Path(one).is_dir():
        return [_among(_state(one), last)]
    found = checkpoints(Path(one) / "checkpoints")
    if not found:
        raise InputError(f"{one} holds no checkpoints", expected="a file, or the folder of a run")
    states: list[dict[str, Tensor]] = []
    for path in found:
        tensors = load(path).tensors
        state = _among(tensors.get("ema", tensors["model"]), last)
        if len(state) == len(last) and all(torch.equal(state[name], last[name]) for name in last):
            break
        states.append(state)
    return states


def _among(state: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    return {name: state[name] for name in names if name in state}


def _state(weights: Weights) -> Mapping[str, Tensor]:
    return weights if isinstance(weights, Mapping) else read_tensors(Path(weights))


def _origin(network: nn.Module, directions: Sequence[Direction]) -> dict[str, Tensor]:
    """What is moved, and what recomputed statistics must be taken back from."""
    state = network.state_dict()
    moved = {name for direction in directions for name, d in direction.items() if bool(d.any())}
    return {name: state[name].double() for name in state if name in moved}


def _samples(number: int, settings: SurfaceSettings) -> Tensor:
    generator = torch.Generator().manual_seed(settings.seed)
    drawn = torch.randperm(number, generator=generator)[: settings.samples or number]
    return drawn.sort().values


def _seen(data: Dataset, pipeline: Pipeline, chosen: Tensor, batch: int) -> tuple[Tensor, Tensor]:
    pieces = [
        pipeline([data.image(i) for i in piece.tolist()], piece, seed=0, epoch=0, train=False)
        for piece in torch.split(chosen, batch)
    ]
    labels = torch.tensor([data.label(i) for i in chosen.tolist()])
    return torch.cat(pieces), labels


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().contiguous().numpy().data)
    return digest.hexdigest()


def _facts(
    problem: Problem, digest: str, data: Dataset, pipeline: Pipeline, chosen: Tensor
) -> dict[str, object]:
    """All that the loss at a point depends on: what is kept is kept under it."""
    return {
        "weights": digest,
        "directions": [_digest(direction) for direction in problem.directions],
        "data": [data.name, data.split, data.fingerprint, _digest({"": chosen})],
        "transforms": pipeline.texts,
        "statistics": problem.statistics,
        "batch": problem.batch,
        "torch": torch.__version__,
    }


def _grid(settings: SurfaceSettings, directions: Sequence[Direction]) -> list[tuple[float, ...]]:
    """The points, x changing fastest."""
    return [tuple(point[::-1]) for point in product(settings.axis, repeat=len(directions))]


def _values(
    problem: Problem,
    points: Sequence[tuple[float, ...]],
    facts: Mapping[str, object],
    workers: int,
    store: Path | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[Value], tuple[str, ...]]:
    """The values of the points: those that are kept, and the others."""
    kept = Kept(store or cache_folder() / "surfaces.sqlite", "points", begin_anew=store is None)
    what = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    names = {f"{what} {json.dumps(point)}": point for point in points}
    done: dict[str, Value] = {}
    for name, text in kept.get(list(names)).items():
        loss, top1 = json.loads(text)
        done[name] = (loss, top1)
    left = {name: point for name, point in names.items() if name not in done}
    if progress is not None:
        progress(len(done), len(names))
    with at_points(problem, workers) as work:
        for name, value in on_processes(work, left, workers):
            kept.put(name, json.dumps(value))
            done[name] = value
            if progress is not None:
                progress(len(done), len(names))
    return [done[name] for name in names], tuple(dict.fromkeys(kept.notes))


# below the class that it prints, so that whoever has a result can print it
from steelyard.train import surface_layout as _layout  # noqa: E402
