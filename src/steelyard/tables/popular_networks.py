"""`popular_networks`: the survey's summary of popular networks beside the same figures from captured workloads.

Published side: Sze, Chen, Yang, Emer, "Efficient Processing of Deep Neural Networks", 2020, table 2.2
(= table II of their survey of 2017, arXiv:1703.09039), in ``table2_2.csv``. Our side is computed from
a `Workload` of each network, nothing of it is typed in.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from typing import NamedTuple

from steelyard._display import Printable
from steelyard.capture.api import capture
from steelyard.errors import UsageError
from steelyard.report.table import Column, Table
from steelyard.tables.differences import DIFFERENCES, Difference
from steelyard.tables.weighted import WeightedLayer, conv_depth, weighted_layers
from steelyard.workload import Workload
from steelyard.zoo.registry import create, default_input_shape

SOURCE = (
    "Sze, Chen, Yang, Emer, Efficient Processing of Deep Neural Networks, 2020, table 2.2 "
    "(arXiv:1703.09039, table II)"
)

MODELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "lenet5": ("LeNet-5 (1998)", ("LeNet-5",)),
    "lenet5_dense": ("LeNet-5, dense C3", ("LeNet-5",)),
    "lenet_caffe": ("LeNet (Caffe)", ("LeNet-5 footnote", "LeNet-5")),
    "alexnet": ("AlexNet", ("AlexNet",)),
    "overfeat_fast": ("OverFeat fast", ("Overfeat fast",)),
    "vgg16": ("VGG-16", ("VGG-16",)),
    "googlenet": ("GoogLeNet", ("GoogLeNet v1",)),
    "resnet50_v1": ("ResNet-50", ("ResNet-50",)),
}
"""Network of the zoo -> our heading, and the printed columns to compare with, the first filled one."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of one network.

    Attributes:
        model: the zoo's name of the network.
        published: as printed, "" if the table has none.
        ours: computed, in the printed form but with all digits; "" where nothing can be computed.
        values: the numbers in ``ours``, distinct and ascending.
        agrees: ours is the published figure within its printed digits; None if either is missing.
        note: why they differ, or what is wrong with the published one; "" where they agree.
    """

    model: str
    published: str
    ours: str
    values: tuple[int, ...]
    agrees: bool | None
    note: str


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of every network.

    Attributes:
        metric: as the table names it.
        evidence: ``transcription`` (read in a copy of the table) or ``recalled`` (from memory of it).
        cells: one per network.
    """

    metric: str
    evidence: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class PopularNetworks(Printable):
    """The table.

    Attributes:
        models: the zoo's names of the networks, in the order of the columns.
        rows: one per metric, in the order of the printed table.
        differences: the reasons for the cells that differ.
        source: where the published figures are printed.
    """

    models: tuple[str, ...]
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    source: str = SOURCE

    def cell(self, metric: str, model: str) -> Cell:
        """One cell.

        Raises:
            UsageError: no such metric or network in the table.
        """
        for row in self.rows:
            for cell in row.cells:
                if (row.metric, cell.model) == (metric, model):
                    return cell
        raise UsageError(
            f"the table has no cell {metric!r} of {model!r}",
            expected="a metric among "
            + ", ".join(repr(row.metric) for row in self.rows)
            + " and a network among "
            + ", ".join(self.models),
        )

    def to_dict(self) -> dict[str, object]:
        """The same as plain data for JSON, schema ``steelyard.table.popular-networks/1``."""
        schema = "steelyard.table.popular-networks/1"
        return {"schema": schema, **dataclasses.asdict(self)}

    def records(self) -> Table:
        """Every cell as one row, for CSV."""
        columns = ("network", "metric", "published", "evidence", "ours", "agrees", "note")
        words = {None: "", True: "yes", False: "no"}
        rows = [
            (c.model, row.metric, c.published, row.evidence, c.ours, words[c.agrees], c.note)
            for index in range(len(self.models))
            for row in self.rows
            for c in row.cells[index : index + 1]
        ]
        return Table("", tuple(Column(key, key) for key in columns), tuple(rows))


class _Facts(NamedTuple):
    load: Workload
    convs: tuple[WeightedLayer, ...]
    fcs: tuple[WeightedLayer, ...]


def _pick(which: str, field: str) -> Callable[[_Facts], list[int]]:
    """The values of one attribute over all CONV or FC layers; of a tuple every entry."""

    def values(facts: _Facts) -> list[int]:
        layers: tuple[WeightedLayer, ...] = getattr(facts, which)
        found = [getattr(layer, field) for layer in layers]
        return [v for item in found for v in (item if isinstance(item, tuple) else (item,))]

    return values


def _sum(which: str, field: str) -> Callable[[_Facts], list[int]]:
    pick = _pick(which, field)
    return lambda facts: [sum(pick(facts))]


_METRICS: dict[str, Callable[[_Facts], list[int]]] = {
    "Input size": lambda facts: list(facts.load.tensor(facts.load.inputs[0]).shape[2:]),
    "# of CONV layers": lambda facts: [len(facts.convs)],
    "Depth in # of CONV layers": lambda facts: [conv_depth(facts.load)],
    "CONV filter sizes": _pick("convs", "kernel"),
    "CONV # of channels": _pick("convs", "channels"),
    "CONV # of filters": _pick("convs", "filters"),
    "CONV stride": _pick("convs", "stride"),
    "CONV weights": _sum("convs", "weights"),
    "CONV MACs": _sum("convs", "macs"),
    "# of FC layers": lambda facts: [len(facts.fcs)],
    "FC filter sizes": _pick("fcs", "kernel"),
    "FC # of channels": _pick("fcs", "channels"),
    "FC # of filters": _pick("fcs", "filters"),
    "FC weights": _sum("fcs", "weights"),
    "FC MACs": _sum("fcs", "macs"),
    "Total weights": lambda facts: [sum(layer.weights for layer in facts.convs + facts.fcs)],
    "Total MACs": lambda facts: [facts.load.macs],
}


def popular_networks() -> PopularNetworks:
    """Captures the networks of the table and puts their figures beside the published ones.

    Weights are without biases; total MACs include products with constants (LeNet-5's RBF output).
    """
    facts = {model: _facts(model) for model in MODELS}
    text = resources.files("steelyard.tables").joinpath("table2_2.csv").read_text("utf-8")
    rows = [
        Row(
            printed["metric"],
            printed["evidence"],
            tuple(_cell(printed, model, facts[model]) for model in MODELS),
        )
        for printed in csv.DictReader(text.splitlines())
    ]
    return PopularNetworks(tuple(MODELS), tuple(rows), DIFFERENCES)


def _facts(model: str) -> _Facts:
    import torch

    with torch.device("meta"):
        network = create(model)
    load = capture(network, input_shape=default_input_shape(model), name=model)
    layers = weighted_layers(load)
    return _Facts(
        load,
        tuple(layer for layer in layers if not layer.fully_connected),
        tuple(layer for layer in layers if layer.fully_connected),
    )


def _cell(printed: Mapping[str, str], model: str, facts: _Facts) -> Cell:
    metric = printed["metric"]
    published = next((printed[column] for column in MODELS[model][1] if printed[column]), "")
    values = tuple(sorted(set(_METRICS[metric](facts)))) if metric in _METRICS else ()
    agrees = matches(published, values) if values and published else None
    reasons = [d.reason for d in DIFFERENCES if metric in d.metrics and model in d.models]
    note = " ".join(reasons) if published and agrees is not True else ""
    return Cell(model, published, _in_form_of(published, values), values, agrees, note)


def matches(published: str, values: tuple[int, ...]) -> bool:
    """Whether ``values`` are what is printed, within the digits printed.

    >>> matches("2.3M", (2_332_704,)), matches("2.3M", (2_382_704,))
    (True, False)
    >>> matches("3-512", (3, 64, 512)), matches("3,5,11", (3, 5, 11)), matches("28x28", (32,))
    (True, True, False)
    """
    if "-" in published:
        low, high = published.split("-")
        return (int(low), int(high)) == (min(values), max(values))
    count = re.fullmatch(r"(\d+)(?:\.(\d+))?([kMG]?)", published)
    if count and len(values) == 1:
        unit = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[count[3]]
        number = Decimal(f"{count[1]}.{count[2] or 0}") * unit
        half = Decimal(unit) / 2 / 10 ** len(count[2] or "")
        return abs(number - values[0]) <= (half if count[3] else 0)
    return {int(part) for part in re.split("[,x]", published)} == set(values)


def _in_form_of(published: str, values: tuple[int, ...]) -> str:
    """``values`` as the printed cell writes its own: 3-512, 3,5,11, 28x28 or a count."""
    if not values:
        return ""
    if "x" in published:
        return f"{values[0]}x{values[-1]}"
    if "-" in published:
        return f"{values[0]}-{values[-1]}"
    return f"{values[0]:,}" if len(values) == 1 else ",".join(map(str, values))
