"""`eyeriss_chip`: the Eyeriss chip's measured table of AlexNet and VGG-16 beside our model of the chip.

Published side: Chen, Krishna, Emer, Sze, IEEE JSSC 52(1), 2017, tables V (AlexNet, batch 4) and VI
(VGG-16, batch 3), in ``eyeriss_chip.csv``; VGG-16 from the transcription in github.com/cucapra/fodlam,
ten slips of its character recognition put right by the table's totals and neighbouring rows. Our side comes
from captured workloads and `steelyard.hardware.eyeriss_chip`.

AlexNet runs under its published mapping (table III) but for conv3, see `CONV3`. The mapping of VGG-16 is
not published: see `VGG16`.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from steelyard._display import Printable
from steelyard.capture.api import capture
from steelyard.errors import UnknownNameError
from steelyard.hardware.eyeriss_chip import ChipMapping, ChipRun, run
from steelyard.report.table import Column, Table

SCHEMA = "steelyard.eyeriss-chip/1"
NETWORKS = ("alexnet", "vgg16")

CONV3 = (
    "alexnet conv3: table III as we have it lists q=4, r=1, t=4, which contradicts the measured table: its "
    "partial sums alone would need 66.4 MB of the buffer, with the inputs 69.2 MB, where 50.2 MB are measured. "
    "Measured accesses of conv3, conv4 and conv5 stand as 4:3:2, like their operations, within "
    "1 %, as under one mapping. Of all mappings with 156 PEs that fit the chip only those with conv4's q=3, r=2, "
    "t=2 come near all measured figures, and conv4's mapping is the optimum for conv3 "
    "(steelyard.hardware.eyeriss_search); so it is used here. With the listed one latency is 22.2 ms instead of "
    "21.7, and DRAM accesses are the same."
)
VGG16 = (
    "vgg16: the mapping is not published. It is inferred from the number of active PEs, the buffer's size "
    "and the published DRAM accesses; latency and buffer accesses are then predictions. The optimum by rules "
    "alone (steelyard.hardware.eyeriss_search) is the inferred mapping in features.24 to .28; the layers before "
    "would run up to 3.8 times faster under it than the chip did, so the chip used others."
)
ZEROS = (
    "DRAM: an output has the zeros of the next layer's input, the last one those of its own input; where "
    "pooling stands between, the true map has more zeros, so accesses come out too high "
    "(alexnet conv1; vgg16 features.2 and .7)."
)
OVERHEAD = (
    "Latency: nothing is fitted. alexnet conv5 runs the same passes as conv4, but the chip took 324 cycles "
    "beyond computing for each, and 846 in conv4; the model says 910 for both."
)
SUMS = (
    "vgg16 features.0 to .14: buffer accesses come out 3 to 5 % too high. The last strip has fewer than 13 "
    "output rows, which leaves room in the buffer for more channels a pass; with three or four of them "
    "there the count would be within 0.4 %."
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A row of the published table, as measured on the chip.

    Attributes:
        active_pes: PEs that work.
        latency_ms: processing latency, data being on the chip.
        buffer_mb: accesses of the global buffer, in 10^6 bytes.
        dram_mb: accesses of DRAM.
    """

    active_pes: int
    latency_ms: float
    buffer_mb: float
    dram_mb: float


@dataclass(frozen=True, slots=True)
class ChipLayer:
    """One layer.

    Attributes:
        network, layer: as captured.
        batch: images.
        published: as measured.
        mapping: how it is laid over the chip.
        ours: what the model counts.
    """

    network: str
    layer: str
    batch: int
    published: Measured
    mapping: ChipMapping
    ours: ChipRun

    @property
    def differences(self) -> tuple[float, float, float]:
        """Ours / published - 1 of latency, buffer and DRAM accesses."""
        return (
            self.ours.latency_s * 1e3 / self.published.latency_ms - 1,
            self.ours.buffer_bytes / 1e6 / self.published.buffer_mb - 1,
            self.ours.dram_bytes / 1e6 / self.published.dram_mb - 1,
        )


@dataclass(frozen=True, repr=False)
class EyerissChip(Printable):
    """The table.

    Attributes:
        layers: in the order of the published tables.
    """

    layers: tuple[ChipLayer, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Why figures differ."""
        shown = {layer.network for layer in self.layers}
        alexnet = (CONV3, OVERHEAD) if "alexnet" in shown else ()
        return (*alexnet, *((VGG16, SUMS) if "vgg16" in shown else ()), ZEROS)

    def to_dict(self) -> dict[str, object]:
        """Plain data under the schema ``steelyard.eyeriss-chip/1``."""
        rows = []
        for layer in self.layers:
            row = dataclasses.asdict(layer)
            row["differences"] = dict(
                zip(("latency", "buffer", "dram"), layer.differences, strict=True)
            )
            rows.append(row)
        return {"schema": SCHEMA, "layers": rows, "notes": list(self.notes)}

    def records(self) -> Table:
        """Everything as one flat table, for CSV."""
        columns = (
            Column("network", "network"), Column("layer", "layer"), Column("batch", "batch", "count"),
            Column("published_active_pes", "published", "count"), Column("active_pes", "ours", "count"),
            Column("published_latency_ms", "published", "ratio", "ms"), Column("latency_ms", "ours", "ratio", "ms"),
            Column("published_buffer_MB", "published", "ratio", "MB"), Column("buffer_MB", "ours", "ratio", "MB"),
            Column("published_dram_MB", "published", "ratio", "MB"), Column("dram_MB", "ours", "ratio", "MB"),
        )  # fmt: skip
        rows = tuple(
            (
                e.network, e.layer, e.batch, e.published.active_pes, e.ours.active_pes,
                e.published.latency_ms, e.ours.latency_s * 1e3, e.published.buffer_mb,
                e.ours.buffer_bytes / 1e6, e.published.dram_mb, e.ours.dram_bytes / 1e6,
            )
            for e in self.layers
        )  # fmt: skip
        return Table("Eyeriss chip", columns, rows)

    def __repr__(self) -> str:
        return f"<EyerissChip: {len(self.layers)} layers>"


def eyeriss_chip(networks: Sequence[str] = NETWORKS) -> EyerissChip:
    """The chip's measured layers beside the model.

    Args:
        networks: ``alexnet``, ``vgg16``.

    Raises:
        UnknownNameError: the chip was not measured with that network.
    """
    for network in networks:
        if network not in NETWORKS:
            raise UnknownNameError("network measured on the chip", network, NETWORKS)
    text = (resources.files("steelyard.tables") / "eyeriss_chip.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    layers: list[ChipLayer] = []
    for network in networks:
        load = capture(network)
        mine = [row for row in rows if row["network"] == network]
        zeros = [float(row["zeros_ifmap_pct"]) / 100 for row in mine]
        for i, row in enumerate(mine):
            (nest,) = load.layer(row["layer"]).nests
            batch, mapping = int(row["batch"]), _mapping(row)
            ours = run(
                dataclasses.replace(nest, N=batch),
                mapping,
                input_zeros=zeros[i] if i else None,
                output_zeros=zeros[min(i + 1, len(mine) - 1)],
            )
            layers.append(ChipLayer(network, row["layer"], batch, _published(row), mapping, ours))
    return EyerissChip(tuple(layers))


def _published(row: dict[str, str]) -> Measured:
    return Measured(
        int(row["active_PEs"]),
        float(row["processing_latency_ms"]),
        float(row["glb_access_MB"]),
        float(row["dram_access_MB"]),
    )


def _mapping(row: dict[str, str]) -> ChipMapping:
    sizes = {name: int(row[name]) for name in ("m", "n", "e", "p", "q", "r", "t")}
    tile = int(row["tile"]) if row["tile"] else None
    return ChipMapping(**sizes, width=tile, height=tile)
