"""Flexibility: which networks and layers a device can run, and how well: any part of the zoo mapped to it, resumably."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from steelyard._cache import cache_folder
from steelyard._display import Printable
from steelyard._kept import Kept
from steelyard.capture.kept import package_digest
from steelyard.errors import InputError, SteelyardError, UnknownNameError, UsageError
from steelyard.hardware.dataflows import constraints
from steelyard.hardware.device import Accelerator
from steelyard.hardware.estimate import accelerator
from steelyard.hardware.estimate_layers import problems_of
from steelyard.hardware.estimate_solver import Question, Solver
from steelyard.hardware.mapper_answer import OBJECTIVES, Found, Objective
from steelyard.hardware.mapping_cache import MODEL, MappingCache
from steelyard.hardware.mapspace import Constraints
from steelyard.metrics.card import Factor, Figure, Metric, product, unavailable
from steelyard.workload import Workload
from steelyard.zoo.registry import list_models

SCHEMA = "steelyard.flexibility/1"
EQUATION = "networks (layers, of a single network) that map / tried; beside it the utilisation of what maps"

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class NetworkFit:
    """A network tried on a device.

    Attributes:
        network: its SOURCE.
        layers: that multiply and accumulate.
        macs: of one pass, of all layers.
        mapped_macs: of the layers that map.
        cycles: of the layers that map.
        utilizations: of each of these layers.
        misfits: (layer, reason) of those that do not.
        problem: why it could not be tried at all; "" if it was.
    """

    network: str
    layers: int
    macs: int
    mapped_macs: int
    cycles: int
    utilizations: tuple[float, ...] = ()
    misfits: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    @property
    def maps(self) -> bool:
        """Every layer has a mapping."""
        return not self.problem and not self.misfits

    def utilization(self, pes: int) -> float:
        """Operations done of those that all PEs could have done, over the layers that map."""
        return self.mapped_macs / (self.cycles * pes) if self.cycles else 0.0


@dataclass(frozen=True, repr=False)
class Flexibility(Printable):
    """Networks tried on a device.

    Attributes:
        device: its name.
        pes: of the device.
        objective, dataflow: of the mappings; "" for any dataflow.
        networks: in the order tried.
        solved: networks that were not kept from an earlier run.
        notes: what a reader of the numbers must know.
    """

    device: str
    pes: int
    objective: Objective
    dataflow: str
    networks: tuple[NetworkFit, ...]
    solved: int = 0
    notes: tuple[str, ...] = ()

    @property
    def tried(self) -> tuple[NetworkFit, ...]:
        """Networks that could be captured."""
        return tuple(one for one in self.networks if not one.problem)

    @property
    def utilizations(self) -> tuple[float, ...]:
        """Of each network that maps, or of the layers of a single one; the lowest first."""
        if len(self.networks) == 1:
            return tuple(sorted(self.networks[0].utilizations))
        return tuple(sorted(one.utilization(self.pes) for one in self.tried if one.maps))

    def figures(self) -> tuple[Figure, ...]:
        """Share of networks, of layers and of MACs that map; the distribution of utilisation."""
        tried = self.tried
        if not tried:
            return (unavailable("networks that map", "share", "none could be captured"),)
        layers = sum(one.layers for one in tried)
        counts = [
            ("networks that map", sum(one.maps for one in tried), len(tried), "networks"),
            ("layers that map", layers - sum(len(one.misfits) for one in tried), layers, "layers"),
            (
                "operations that map",
                sum(o.mapped_macs for o in tried),
                sum(o.macs for o in tried),
                "operations",
            ),
        ]
        return (*(_share(*one) for one in counts), *self._spread())

    def _spread(self) -> tuple[Figure, ...]:
        found = self.utilizations
        if not found:
            return (unavailable("utilisation", "share", "nothing maps"),)
        low, high = (found[0], found[-1])
        if len(found) > 1:
            low, _, high = quantiles(found, n=4, method="inclusive")
        names = ("lowest", "lower quartile", "median", "upper quartile", "highest")
        values = (found[0], low, median(found), high, found[-1])
        return tuple(
            Figure(f"utilisation, {name}", value, "share", basis="modelled")
            for name, value in zip(names, values, strict=True)
        )

    def metric(self) -> Metric:
        """As the card's metric; of a single network the layers stand for it."""
        figure, *others = self.figures()
        single = len(self.networks) == 1
        missing = [(one.network, one.problem) for one in self.networks if one.problem]
        if single and others:
            figure, others = others[0], others[1:]
            missing.append(("other networks", "only this one was tried: --zoo PATTERNS"))
        stated = (
            ("networks", self._which() if not single else "this one, by its layers"),
            (
                "dataflow",
                f"{self.dataflow or 'any'}; each layer's mapping minimises {self.objective}",
            ),
        )
        return Metric("flexibility", figure, tuple(others), EQUATION, stated, tuple(missing))

    def _which(self) -> str:
        names = ", ".join(one.network for one in self.tried[:4])
        more = f" and {len(self.tried) - 4} more" if len(self.tried) > 4 else ""
        return f"{len(self.tried)} tried: {names}{more}; utilisation is over those that map"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.flexibility/1``."""
        return {
            "schema": SCHEMA,
            "device": self.device,
            "objective": self.objective,
            "dataflow": self.dataflow,
            "figures": [figure.to_dict() for figure in self.figures()],
            "networks": [
                {**asdict(one), "maps": one.maps, "utilization": one.utilization(self.pes)}
                for one in self.networks
            ],
            "solved": self.solved,
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        fit = sum(one.maps for one in self.tried)
        return f"<Flexibility of {self.device}: {fit} of {len(self.tried)} networks map>"


def flexibility(
    device: str | Path | Accelerator,
    networks: str | Sequence[str | Workload] = "*",
    *,
    objective: Objective = "energy",
    dataflow: str = "",
    workers: int | None = None,
    store: Path | None = None,
    progress: Progress | None = None,
) -> Flexibility:
    """Maps networks to a device, layer by layer; a layer that fits nowhere does not stop the others.

    Each network is kept on disk when it is done: the same call goes on where it was stopped.

    Args:
        device: the accelerator.
        networks: patterns of zoo names with commas between them, or SOURCEs and workloads.
        objective, dataflow: of the mappings, as in `steelyard.estimate`.
        workers: threads; None: one a core.
        store: the file that keeps what is done; None: in the cache folder.
        progress: called with (done, all, network).

    Raises:
        UsageError: a roofline, an unknown objective, or no network.
        UnknownNameError: no such device or dataflow, or a pattern that matches nothing.
    """
    chip = accelerator(device)
    if objective not in OBJECTIVES:
        raise UsageError(f"objective {objective!r}", expected="one of " + ", ".join(OBJECTIVES))
    dataflow = "" if dataflow.lower() == "any" else dataflow.upper()
    asked = constraints(dataflow, chip) if dataflow else Constraints()
    chosen = matching(networks) if isinstance(networks, str) else list(networks)
    if not chosen:
        raise UsageError("no network to try", expected="one or more")
    kept = Kept(
        store or cache_folder() / "flexibility.sqlite", "networks", begin_anew=store is None
    )
    solver = Solver(objective, MappingCache(), None, workers or os.cpu_count() or 1)
    about = [MODEL, chip.digest, objective, dataflow, package_digest()]
    fits: list[NetworkFit] = []
    solved = 0
    for number, net in enumerate(chosen):
        name = net if isinstance(net, str) else net.name
        if progress is not None:
            progress(number, len(chosen), name)
        key = sha256(json.dumps([*about, name]).encode()).hexdigest()
        named = isinstance(net, str) and name.partition(":")[0] in list_models()
        known = _read(kept.get([key]).get(key)) if named else None
        if known is None:
            known = _tried(net, chip, asked, solver)
            solved += 1
            if named and not known.problem:
                kept.put(key, json.dumps(asdict(known)))
        fits.append(known)
    notes = tuple(dict.fromkeys((*kept.notes, *solver.notes)))
    return Flexibility(chip.name, chip.pes, objective, dataflow, tuple(fits), solved, notes)


def matching(patterns: str) -> list[str]:
    """Names of the zoo that match any of several patterns with commas between them.

    >>> matching("lenet5,vgg1*9")
    ['lenet5', 'vgg19']

    Raises:
        UnknownNameError: a pattern that matches nothing.
    """
    known = list_models()
    found: dict[str, None] = {}
    for pattern in filter(None, (part.strip() for part in patterns.split(","))):
        names = [name for name in known if fnmatchcase(name, pattern)]
        if not names:
            raise UnknownNameError("network", pattern, known, hint="steelyard models")
        found.update(dict.fromkeys(names))
    return list(found)


def _tried(
    net: str | Workload, chip: Accelerator, asked: Constraints, solver: Solver
) -> NetworkFit:
    if isinstance(net, str):
        from steelyard.capture.api import capture

        try:
            net = capture(net)
        except SteelyardError as error:
            return NetworkFit(str(net), 0, 0, 0, 0, problem=error.given)
    return fit_of(net, chip, asked, solver)


def fit_of(load: Workload, chip: Accelerator, asked: Constraints, solver: Solver) -> NetworkFit:
    """A captured network tried layer by layer."""
    layers = [layer for layer in load.layers if layer.macs]
    misfits: dict[str, str] = {}
    parts: dict[str, list[Question]] = {}
    for layer in layers:
        try:
            problems = problems_of(layer)
        except InputError as error:
            misfits[layer.name] = _reason(error, layer.name)
            continue
        parts[layer.name] = [Question(one, chip, asked, layer.name) for one in problems]
    questions = [question for found in parts.values() for question in found]
    mapped: dict[str, list[Found]] = {name: [] for name in parts}
    for question, answer in zip(questions, solver.solve(questions, tolerant=True), strict=True):
        if isinstance(answer, InputError):
            misfits.setdefault(question.layer, _reason(answer, question.layer))
        else:
            mapped[question.layer].append(answer)
    macs = {layer.name: layer.macs for layer in layers}
    cycles = {
        name: sum(answer.evaluation.cycles for answer in answers)
        for name, answers in mapped.items()
        if name not in misfits
    }
    return NetworkFit(
        network=load.name,
        layers=len(layers),
        macs=sum(macs.values()),
        mapped_macs=sum(macs[name] for name in cycles),
        cycles=sum(cycles.values()),
        utilizations=tuple(macs[name] / (spent * chip.pes) for name, spent in cycles.items()),
        misfits=tuple((name, misfits[name]) for name in macs if name in misfits),
    )


def _reason(error: InputError, layer: str) -> str:
    # an answer that serves several layers names the first of them
    head, colon, rest = error.given.partition(": ")
    return rest if colon and head.startswith("layer ") else error.given


def _read(text: str | None) -> NetworkFit | None:
    if text is None:
        return None
    try:
        data = json.loads(text)
        misfits = tuple((str(layer), str(why)) for layer, why in data.pop("misfits"))
        return NetworkFit(**data | {"utilizations": tuple(data["utilizations"])}, misfits=misfits)
    except (ValueError, TypeError, KeyError):
        return None


def _share(name: str, part: float, whole: float, unit: str) -> Figure:
    if not whole:
        return unavailable(name, "share", f"there are no {unit}")
    factors = (Factor(f"{unit} that map", part), Factor(f"{unit} tried", whole, divides=True))
    return product(name, "share", factors, "modelled")


# below the classes that it prints, so that whoever has a result can print it
from steelyard.metrics import layout_tables as _layout  # noqa: E402, F401
