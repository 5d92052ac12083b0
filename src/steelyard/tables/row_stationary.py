"""`row_stationary`: energy of six dataflows on AlexNet, from a re-run of the row-stationary study, beside ours.

Other side: ``row_stationary.csv``, the study's simulator (Chen, Emer, Sze, ISCA 2016; a public copy at
github.com/ominux/eyeriss-dataflow) run again. Our side: `steelyard.hardware.study`, each layer with the
best mapping that `best_mapping` finds.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from steelyard._display import Printable
from steelyard.capture.api import capture
from steelyard.errors import UnknownNameError
from steelyard.hardware import study
from steelyard.hardware.device import Operand
from steelyard.hardware.study_search import best_mapping
from steelyard.report.table import Column, Table
from steelyard.workload.loopnest import LoopNest

SCHEMA = "steelyard.row-stationary/1"
LAYERS = {
    "CONV": ("conv1", "conv2", "conv3", "conv4", "conv5"),
    "FC": ("fc6", "fc7", "fc8"),
}
COLUMNS: dict[str, str] = {
    "dram": "E_dram", "buffer": "E_buffer", "array": "E_array", "rf": "E_rf",
    "I": "E_ifmap", "W": "E_weight", "O": "E_psum",
}  # fmt: skip
"""Level or operand -> column of the re-run."""

NOTES = (
    "Energy of an operation in multiples of one MAC (MAC 1, register file 1, neighbouring PE 2, buffer 6, "
    "DRAM 200), mean over the layers by MACs; every dataflow has the same area for storage.",
    "Ours is the optimum of each layer. It is the re-run's mapping, or one that costs the same; OSA on fully "
    "connected layers differs by 0.04 % (up to 1.7 % of one layer's weights), because the simulator divides "
    "the batch by the images held without rounding up.",
    "WS cannot hold the partial sums of 64 images in the buffer of 256 PEs.",
    "The study prints 1.4 to 2.5 times for convolutions, and at least 1.3 for fully connected layers with "
    "batches above 16; at 16 OSB and OSC come to 1.28 and 1.26.",
)


@dataclass(frozen=True, slots=True)
class FlowEnergy:
    """One dataflow in one configuration.

    Attributes:
        kind: ``CONV`` (AlexNet's five convolutions) or ``FC`` (its three fully connected layers).
        pes, batch, dataflow: the configuration.
        published: energy of an operation in the re-run: ``total``, by level (``dram``, ``buffer``,
            ``array``, ``rf``) and by operand (``I``, ``W``, ``O``); empty where it cannot run.
        ours: the same; empty where no mapping fits.
        mappings: layer -> parameters of the mapping that ours is for.
    """

    kind: str
    pes: int
    batch: int
    dataflow: str
    published: dict[str, float]
    ours: dict[str, float]
    mappings: dict[str, dict[str, int]]


@dataclass(frozen=True, repr=False)
class RowStationary(Printable):
    """The table.

    Attributes:
        entries: in the order of the re-run.
    """

    entries: tuple[FlowEnergy, ...]
    notes = NOTES

    def factor(self, entry: FlowEnergy) -> float | None:
        """Our energy of a dataflow over that of row stationary in the same configuration."""
        key = (entry.kind, entry.pes, entry.batch, "RS")
        for other in self.entries:
            if (other.kind, other.pes, other.batch, other.dataflow) == key and entry.ours:
                return entry.ours["total"] / other.ours["total"]
        return None

    def to_dict(self) -> dict[str, object]:
        """Plain data under the schema ``steelyard.row-stationary/1``."""
        rows = [dataclasses.asdict(e) | {"factor": self.factor(e)} for e in self.entries]
        return {"schema": SCHEMA, "dataflows": rows, "notes": list(self.notes)}

    def records(self) -> Table:
        """Everything as one flat table, for CSV."""
        figures = ("total", *COLUMNS)
        columns = [
            Column("kind", "layers"), Column("pes", "PEs", "count"), Column("batch", "batch", "count"),
            Column("dataflow", "dataflow"), Column("factor", "over RS", "ratio"),
        ]  # fmt: skip
        for figure in figures:
            columns += [
                Column(f"published_{figure}", "published", "ratio"),
                Column(figure, "ours", "ratio"),
            ]
        rows = []
        for e in self.entries:
            values = [side.get(f) for f in figures for side in (e.published, e.ours)]
            rows.append((e.kind, e.pes, e.batch, e.dataflow, self.factor(e), *values))
        return Table("row-stationary study", tuple(columns), tuple(rows))

    def __repr__(self) -> str:
        return f"<RowStationary: {len(self.entries)} configurations>"


def row_stationary(
    kinds: tuple[str, ...] = ("CONV", "FC"),
    pes: tuple[int, ...] = (256, 512, 1024),
    *,
    progress: Callable[[str], None] | None = None,
) -> RowStationary:
    """All configurations of the re-run, each layer mapped anew.

    Args:
        kinds: ``CONV``, ``FC``.
        pes: numbers of PEs; the re-run has fully connected layers with 1024 only.
        progress: told what is being mapped.

    Raises:
        UnknownNameError: no such kind of layers.
    """
    for kind in kinds:
        if kind not in LAYERS:
            raise UnknownNameError("kind of layers in the study", kind, LAYERS)
    text = (resources.files("steelyard.tables") / "row_stationary.csv").read_text(encoding="utf-8")
    nests = alexnet_nests()
    entries = []
    for row in csv.DictReader(text.splitlines()):
        if row["kind"] not in kinds or int(row["PEs"]) not in pes:
            continue
        if progress is not None:
            progress(f"{row['dataflow']}, {row['PEs']} PEs, batch {row['batch']}, {row['kind']}")
        published = {key: float(row[column]) for key, column in COLUMNS.items() if row[column]}
        if published:
            published["total"] = float(row["E_total"])
        mine = {name: nests[name] for name in LAYERS[row["kind"]]}
        ours, mappings = _energy(row["dataflow"], int(row["PEs"]), int(row["batch"]), mine)
        entries.append(
            FlowEnergy(
                row["kind"], int(row["PEs"]), int(row["batch"]), row["dataflow"],
                published, ours, mappings,
            )
        )  # fmt: skip
    return RowStationary(tuple(entries))


def _energy(
    dataflow: str, pes: int, batch: int, nests: dict[str, LoopNest]
) -> tuple[dict[str, float], dict[str, dict[str, int]]]:
    """Mean over the layers by MACs, and the mappings; nothing where a layer has no mapping."""
    room = study.storage(dataflow, pes)
    sums = dict.fromkeys(("total", *COLUMNS), 0.0)
    mappings: dict[str, dict[str, int]] = {}
    macs = 0
    for name, nest in nests.items():
        layer = dataclasses.replace(nest, N=batch)
        best = best_mapping(dataflow, layer, room)
        if best is None:
            return {}, {}
        mappings[name] = best
        moved = study.traffic(dataflow, layer, best)
        macs += moved.macs
        sums["total"] += moved.total() * moved.macs
        for level in study.LEVELS:
            sums[level] += moved.energy(level) * moved.macs
        operands: tuple[Operand, ...] = ("I", "W", "O")
        for operand in operands:
            sums[operand] += moved.operand_energy(operand) * moved.macs
    return {figure: value / macs for figure, value in sums.items()}, mappings


def alexnet_nests() -> dict[str, LoopNest]:
    """AlexNet's layers as the study has them: the first fully connected one is a 6 x 6 convolution."""
    load = capture("alexnet")
    nests = {}
    for name in (*LAYERS["CONV"], *LAYERS["FC"]):
        (nests[name],) = load.layer(name).nests
    nests["fc6"] = dataclasses.replace(
        nests["fc6"], C=256, out=(1, 1), kernel=(6, 6), input=(6, 6), stride=(1, 1), dilation=(1, 1),
        padding=((0, 0), (0, 0)),
    )  # fmt: skip
    return nests
