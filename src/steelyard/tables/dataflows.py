"""`dataflows`: the row-stationary study's six dataflows through the mapper, beside the study and the free optimum.

Other side: ``dataflow_layers.csv``, the study's simulator run again, by layer (as `row_stationary`). Our side:
`steelyard.estimate` under each dataflow on the hardware that the study gives it
(`steelyard.hardware.study_devices`), and without a dataflow on that of row stationary.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

from steelyard._display import Printable
from steelyard.errors import UnknownNameError, UsageError
from steelyard.hardware.estimate import Estimate, estimate
from steelyard.hardware.study_devices import DATAFLOWS, study_device
from steelyard.report.table import Column, Table
from steelyard.tables.row_stationary import LAYERS, alexnet_nests
from steelyard.workload import Layer, Workload

SCHEMA = "steelyard.dataflows/1"
PES = {"CONV": 256, "FC": 1024}
"""Units that the study takes for each kind of layers."""

OPERANDS = {"I": "E_ifmap", "W": "E_weight", "O": "E_psum"}

NOTES = (
    "Energy of an operation in MACs, on the same PEs and the same area for storage under every dataflow. "
    "Published is the study's simulator run again; mapped is the optimum of the mapper under that dataflow's "
    "constraints; free is the optimum without any on the hardware of RS. Under the study's own "
    "restrictions our closed forms give each published figure (steelyard tables row-stationary).",
    "In convolutions the order of the dataflows is the published one (at batch 1 NLR and OS-C change places at "
    "the end). Weights and sums cost much what they cost in the study; inputs cost less, which makes the "
    "factors smaller: the mapper finds reuse of inputs that the study's closed forms leave out, and that RS has "
    "in both.",
    "WS: the study's buffer holds partial sums only, and inputs come from DRAM anew for every t filters (conv1, "
    "256 PEs: t = 2, so 48 times, 16 of 23 MACs an operation). The mapper keeps inputs in the buffer.",
    "OS-B and OS-C: the study reads an input from DRAM for each of the R (OS-B) or R S (OS-C) windows that it is "
    "in; the mapper reads what windows share once. OS-A: the study reads the inputs from the buffer for every "
    "filter; the mapper keeps several channels in the registers that hand inputs on.",
    "NLR has no input reuse beside the buffer in either, and comes out within 3 %.",
    "Fully connected layers: reading each weight once for N images costs 200 / N an operation (12.5 of about 18 "
    "at batch 16) under every dataflow, so factors grow with the batch. OS-A, OS-B and OS-C become one, as there are "
    "no windows; the study has OS-A read the inputs from the buffer for every filter. The re-run itself has "
    "OS-B 22.993 / 18.018 = 1.276 and OS-C 22.710 / 18.018 = 1.260 at batch 16, which round to the printed 1.3.",
    "A partial sum passed on in the array counts as a read and a write (4 MACs), as in the study. With the 2 of "
    "the preset eyeriss_isca16 RS comes 0.07 lower.",
)


@dataclass(frozen=True, slots=True)
class FlowLayer:
    """One layer under one dataflow; energies of an operation, in MACs.

    Attributes:
        kind: ``CONV`` or ``FC``.
        batch, dataflow, layer: which.
        macs: operations.
        published: of the re-run: ``total`` and by operand (``I``, ``W``, ``O``); empty where it cannot run.
        mapped: the mapper's optimum under the dataflow, the same figures.
        free: total of the optimum without a dataflow.
    """

    kind: str
    batch: int
    dataflow: str
    layer: str
    macs: int
    published: dict[str, float]
    mapped: dict[str, float]
    free: float


@dataclass(frozen=True, slots=True)
class FlowMean:
    """The mean over the layers of one kind by operations; published is None where a layer cannot run.

    Attributes:
        kind, batch, dataflow: which.
        published, mapped: ``total``, ``I``, ``W``, ``O``.
        free: total without a dataflow.
        published_factor, factor: total over that of RS.
    """

    kind: str
    batch: int
    dataflow: str
    published: dict[str, float]
    mapped: dict[str, float]
    free: float
    published_factor: float | None
    factor: float


@dataclass(frozen=True, repr=False)
class Dataflows(Printable):
    """The table.

    Attributes:
        layers: by kind, batch, dataflow and layer.
    """

    layers: tuple[FlowLayer, ...]
    notes = NOTES

    @cached_property
    def means(self) -> tuple[FlowMean, ...]:
        """A row for each kind, batch and dataflow."""
        groups: dict[tuple[str, int], dict[str, list[FlowLayer]]] = {}
        for layer in self.layers:
            group = groups.setdefault((layer.kind, layer.batch), {})
            group.setdefault(layer.dataflow, []).append(layer)
        return tuple(
            _mean(flow, group["RS"]) for group in groups.values() for flow in group.values()
        )

    def to_dict(self) -> dict[str, object]:
        """Plain data under the schema ``steelyard.dataflows/1``."""
        return {
            "schema": SCHEMA,
            "means": [dataclasses.asdict(mean) for mean in self.means],
            "layers": [dataclasses.asdict(layer) for layer in self.layers],
            "notes": list(self.notes),
        }

    def records(self) -> Table:
        """Every layer as one flat table, for CSV."""
        columns = (
            Column("kind", "layers"), Column("batch", "batch", "count"), Column("dataflow", "dataflow"),
            Column("layer", "layer"), Column("published", "published", "ratio"),
            Column("mapped", "mapped", "ratio"), Column("free", "free", "ratio"),
        )  # fmt: skip
        rows = tuple(
            (
                e.kind, e.batch, e.dataflow, e.layer, e.published.get("total"), e.mapped["total"],
                e.free,
            )
            for e in self.layers
        )  # fmt: skip
        return Table("dataflows", columns, rows)

    def __repr__(self) -> str:
        return f"<Dataflows: {len(self.layers)} layers>"


def dataflows(
    kinds: Sequence[str] = ("CONV", "FC"),
    batches: Sequence[int] = (16,),
    *,
    progress: Callable[[str], None] | None = None,
) -> Dataflows:
    """The six dataflows on AlexNet's layers, published and mapped.

    Args:
        kinds: ``CONV`` (256 PEs), ``FC`` (1024 PEs).
        batches: images at once: 1, 16 and 64 for convolutions, 16, 64 and 256 for fully connected layers;
            those that the study has not for a kind are left out there.
        progress: told what is being mapped.

    Raises:
        UnknownNameError: no such kind of layers.
        UsageError: a batch that the study has for none of the kinds.
    """
    for kind in kinds:
        if kind not in LAYERS:
            raise UnknownNameError("kind of layers in the study", kind, LAYERS)
    published = _published()
    known = {(kind, batch) for kind, batch, _, _ in published}
    asked = [(kind, batch) for kind in kinds for batch in batches if (kind, batch) in known]
    if not asked:
        raise UsageError(
            f"batch {', '.join(map(str, batches))} of {' and '.join(kinds)}",
            expected="one of " + ", ".join(str(b) for k, b in sorted(known) if k in kinds),
        )
    found: list[FlowLayer] = []
    for kind, batch in asked:
        load = _workload(kind, batch)
        say = progress or (lambda text: None)
        say(f"free optimum, batch {batch}, {kind}")
        free = estimate(load, study_device("RS", PES[kind]))
        for name, own in DATAFLOWS.items():
            say(f"{name}, batch {batch}, {kind}")
            mapped = estimate(load, study_device(name, PES[kind]), dataflow=own)
            found += [
                FlowLayer(
                    kind, batch, name, layer.name, layer.macs,
                    published.get((kind, batch, name, layer.name), {}),
                    _figures(mapped, layer.name), _figures(free, layer.name)["total"],
                )
                for layer in free.layers
            ]  # fmt: skip
    return Dataflows(tuple(found))


def _published() -> dict[tuple[str, int, str, str], dict[str, float]]:
    text = (resources.files("steelyard.tables") / "dataflow_layers.csv").read_text("utf-8")
    names = [*LAYERS["CONV"], *LAYERS["FC"]]
    return {
        (row["kind"], int(row["batch"]), row["dataflow"], names[int(row["layer"]) - 1]): {
            "total": float(row["E_total"]),
            **{operand: float(row[column]) for operand, column in OPERANDS.items()},
        }
        for row in csv.DictReader(text.splitlines())
    }


def _workload(kind: str, batch: int) -> Workload:
    nests = alexnet_nests()
    layers = tuple(
        Layer(name, "conv", "aten.conv2d", nests=(dataclasses.replace(nests[name], N=batch),))
        for name in LAYERS[kind]
    )
    return Workload("alexnet", layers, ())


def _figures(result: Estimate, layer: str) -> dict[str, float]:
    found = result.layer(layer)
    figures = {operand: found.operands[operand] / found.macs for operand in OPERANDS}
    return {"total": found.energy_pj / found.macs, **figures}


def _mean(flow: list[FlowLayer], row_stationary: list[FlowLayer]) -> FlowMean:
    published, theirs = _sum(flow, "published"), _sum(row_stationary, "published")
    mapped = _sum(flow, "mapped")
    macs = sum(layer.macs for layer in flow)
    return FlowMean(
        flow[0].kind,
        flow[0].batch,
        flow[0].dataflow,
        published,
        mapped,
        sum(layer.free * layer.macs for layer in flow) / macs,
        published["total"] / theirs["total"] if published and theirs else None,
        mapped["total"] / _sum(row_stationary, "mapped")["total"],
    )


def _sum(flow: list[FlowLayer], side: str) -> dict[str, float]:
    """Means by operations; nothing where a layer has no figures."""
    if not all(getattr(layer, side) for layer in flow):
        return {}
    macs = sum(layer.macs for layer in flow)
    return {
        figure: sum(getattr(layer, side)[figure] * layer.macs for layer in flow) / macs
        for figure in ("total", *OPERANDS)
    }
