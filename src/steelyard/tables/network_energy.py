"""`network_energy`: statements of the literature on networks and energy, each beside our figure.

Ours come from captured zoo networks: energy from the row-stationary study's model (256 PEs,
`steelyard.hardware.study_network`), DRAM accesses from counts (`steelyard.hardware.reuse`), utilisation from
`steelyard.bounds`, memory accesses from loop nests. Published figures marked *recalled* were not read again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from steelyard._display import Printable
from steelyard.capture.api import capture
from steelyard.hardware.bounds import bounds
from steelyard.hardware.device import Accelerator
from steelyard.hardware.registry import device
from steelyard.hardware.reuse import dram_bounds
from steelyard.hardware.study import storage, traffic
from steelyard.hardware.study_network import network_energy as energy_of
from steelyard.hardware.study_search import best_mapping
from steelyard.report.table import Column, Table
from steelyard.tables.row_stationary import LAYERS, alexnet_nests
from steelyard.workload import LoopNest, Workload

SCHEMA = "steelyard.network-energy/1"
BATCH = 48
"""Images at once where networks are compared, as by Yang et al. (44 to 48, recalled)."""

Unit = Literal["x", "%", "M", "MAC/op"]

_YANG = "Yang, Chen, Sze, CVPR 2017 (recalled)"
_BOOK = "Sze et al., Efficient Processing of Deep Neural Networks, 2020"
_MA = "Ma et al., ShuffleNet V2, ECCV 2018, table 1, GTX 1080 Ti"


@dataclass(frozen=True, slots=True)
class Statement:
    """One figure of the literature and ours.

    Attributes:
        claim: what it is to show.
        figure: what is counted.
        published, ours: the figures; published is None where ours stands for comparison only.
        unit: ``x`` a ratio, ``%``, ``M`` millions, ``MAC/op`` energy of an operation in MACs.
        source: where the published one stands.
        reason: why they differ, or how ours comes about.
    """

    claim: str
    figure: str
    published: float | None
    ours: float
    unit: Unit
    source: str
    reason: str


@dataclass(frozen=True, repr=False)
class NetworkStatements(Printable):
    """The table.

    Attributes:
        statements: in groups of one claim.
    """

    statements: tuple[Statement, ...]

    def ours(self, figure: str) -> float:
        """Our figure of that description."""
        return next(s.ours for s in self.statements if s.figure == figure)

    def to_dict(self) -> dict[str, object]:
        """Plain data under the schema ``steelyard.network-energy/1``."""
        return {
            "schema": SCHEMA,
            "statements": [dataclasses.asdict(statement) for statement in self.statements],
        }

    def records(self) -> Table:
        """Everything as one flat table, for CSV."""
        names = [field.name for field in dataclasses.fields(Statement)]
        columns = tuple(Column(name, name) for name in names)
        rows = tuple(tuple(getattr(s, name) for name in names) for s in self.statements)
        return Table("network energy", columns, rows)

    def __repr__(self) -> str:
        return f"<NetworkStatements: {len(self.statements)}>"


def network_energy(*, progress: Callable[[str], None] | None = None) -> NetworkStatements:
    """All statements.

    Args:
        progress: told which claim is being counted.
    """
    say = progress or (lambda text: None)
    found: list[Statement] = []
    for part in (_fewer_weights, _reuse, _batch, _depthwise, _memory_access):
        say((part.__doc__ or "").rstrip("."))
        found += part()
    return NetworkStatements(tuple(found))


def _fewer_weights() -> Iterator[Statement]:
    """Fewer weights are not less energy."""
    claim = "Fewer weights are not less energy."
    loads = {name: capture(name) for name in ("alexnet", "googlenet", "squeezenet1_0")}
    weights = {name: sum(nest.weights for nest in _nests(load)) for name, load in loads.items()}
    energies = {name: energy_of(load, batch=BATCH) for name, load in loads.items()}
    alexnet = energies["alexnet"].total
    dense = "theirs with the zeros of the maps, for their estimate of the hardware; ours dense"
    for name, title, share, factor in (
        ("squeezenet1_0", "SqueezeNet", 1.24 / 60.95, 1.33),
        ("googlenet", "GoogLeNet", 6.99 / 60.95, 7.63 / 3.97),
    ):
        ours = weights[name] / weights["alexnet"]
        yield Statement(
            claim, f"{title}'s weights, of AlexNet's", 100 * share, 100 * ours, "%", _YANG, ""
        )
        ratio = energies[name].total / alexnet
        yield Statement(
            claim, f"{title}'s energy, times AlexNet's", factor, ratio, "x", _YANG, dense
        )
    claim = "In GoogLeNet maps cost more than weights, and weights more than computation."
    google = energies["googlenet"]
    shares = {
        "outputs": (43, google.share("O")),
        "inputs": (25, google.share("I")),
        "weights": (22, google.share("W")),
        "computation": (10, google.macs / google.total),
    }
    for what, (published, ours) in shares.items():
        figure = f"GoogLeNet's energy for {what}"
        yield Statement(claim, figure, published, 100 * ours, "%", _YANG, dense)


def _reuse() -> Iterator[Statement]:
    """Reuse spares DRAM accesses."""
    claim = "Reuse spares DRAM accesses."
    load = capture("alexnet")
    limits = dram_bounds(load)
    printed = f"ours counts {load.macs / 1e6:.1f} M operations where 724 M are printed"
    yield Statement(
        claim, "AlexNet's DRAM accesses, nothing reused", 2896, limits.worst / 1e6, "M",
        _BOOK, f"four an operation; {printed}",
    )  # fmt: skip
    yield Statement(
        claim, "AlexNet's DRAM accesses, everything reused", 61, limits.best / 1e6, "M",
        _BOOK, "the weights, the image and the results; other maps stay on the chip",
    )  # fmt: skip
    nests = [alexnet_nests()[name] for name in LAYERS["CONV"]]
    once = sum(nest.weights + nest.input_elements for nest in nests)
    yield Statement(
        claim, "AlexNet's convolutions, reads of weights and inputs spared", 500,
        2 * sum(nest.macs for nest in nests) / once, "x", _BOOK,
        "published as up to; ours: two reads an operation, over weights and inputs read once",
    )  # fmt: skip


def _batch() -> Iterator[Statement]:
    """Batches spare energy where weights dominate."""
    claim = "Batches spare energy where weights dominate."
    room = storage("RS", 1024)
    for batch, published in ((16, 18.0182), (64, 8.5949), (256, 6.4050)):
        energy = macs = 0.0
        for name in LAYERS["FC"]:
            nest = dataclasses.replace(alexnet_nests()[name], N=batch)
            best = best_mapping("RS", nest, room) or {}
            moved = traffic("RS", nest, best)
            energy, macs = energy + moved.total() * moved.macs, macs + moved.macs
        figure = f"AlexNet's fully connected layers, energy of an operation, batch {batch}"
        source = "row-stationary study (ISCA 2016) run again, 1024 PEs"
        yield Statement(claim, figure, published, energy / macs, "MAC/op", source, "")


def _depthwise() -> Iterator[Statement]:
    """Depthwise layers leave a weight-stationary array idle."""
    claim = "Depthwise layers leave a weight-stationary array idle."
    load = capture("mobilenet_v2")
    for name, units in (("tpu_v1", 9), ("nvdla_like", 1)):
        chip = device(name)
        if not isinstance(chip, Accelerator):
            continue
        published = 100 * units / chip.pes
        source = "arithmetic: a group has one channel and one filter" + (
            " of nine weights" if units > 1 else ""
        )
        for depthwise in (True, False):
            kind = "depthwise" if depthwise else "other"
            used = _used(load, chip, depthwise)
            figure = f"MobileNetV2 on {name}, units used at best in {kind} layers"
            if depthwise:
                yield Statement(claim, figure, published, 100 * used, "%", source, "")
            else:
                yield Statement(
                    claim, figure, None, 100 * used, "%", "",
                    "other layers: channels fewer than the array is wide, weights waited for at batch 1",
                )  # fmt: skip


def _used(load: Workload, chip: Accelerator, depthwise: bool) -> float:
    macs = time = 0.0
    for layer in bounds(load, chip).layers:
        (nest,) = load.layer(layer.name).nests
        if (nest.G > 1) == depthwise:
            macs += nest.macs
            time += nest.macs / layer.utilization
    return macs / time


def _memory_access() -> Iterator[Statement]:
    """Memory access decides at equal operations."""
    claim = "At equal operations memory access decides (guideline G1 of ShuffleNet V2)."
    speeds = {(128, 128): 1480, (90, 180): 1296, (52, 312): 876, (36, 432): 748}
    moved = {pair: _moved(*pair) for pair in speeds}
    even = (128, 128)
    for pair, speed in list(speeds.items())[1:]:
        figure = (
            f"1x1 convolutions of {pair[0]} and {pair[1]} channels, speed of that of 128 and 128"
        )
        reason = "ours as if elements moved were all; a GPU has other costs, too"
        ours = 100 * moved[even] / moved[pair]
        yield Statement(claim, figure, 100 * speed / speeds[even], ours, "%", _MA, reason)


def _moved(one: int, other: int) -> int:
    """Elements of a 1x1 convolution on maps of 56 x 56."""
    nest = LoopNest(
        N=1, G=1, M=other, C=one, out=(56, 56), kernel=(1, 1), input=(56, 56), stride=(1, 1),
        dilation=(1, 1), padding=((0, 0), (0, 0)),
    )  # fmt: skip
    return nest.input_elements + nest.output_elements + nest.weights


def _nests(load: Workload) -> list[LoopNest]:
    return [nest for layer in load.layers for nest in layer.nests]
