"""Members of the families that have no name: other widths, depths, groups, sizes, cells, as other libraries count them.

``data/members.csv``: parameters and MACs of the same network built by the library in the last column from its own
class, counted with forward hooks; or worked out by hand from the layers.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from steelyard.capture.api import capture
from steelyard.capture.source import parse_value
from steelyard.zoo.registry import create

TABLE = Path(__file__).parent / "data/members.csv"
MEMBERS = list(csv.DictReader(TABLE.read_text().splitlines()))
QUICK = ("lenet", "resnet20", "wrn", "zfnet", "condensenet50", "shufflenet_v2", "squeezenet1_1")


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            row,
            id=f"{row['model']}-{row['settings']}",
            marks=[] if row["model"].startswith(QUICK) else [pytest.mark.slow],
        )
        for row in MEMBERS
    ],
)
def test_counts_equal_those_of_others(row: dict[str, str]) -> None:
    pairs = (item.split("=") for item in row["settings"].split(","))
    settings: dict[str, Any] = {key: parse_value(value) for key, value in pairs}
    with torch.device("meta"):
        network = create(row["model"], **settings)
    load = capture(network.eval())
    assert (load.params, load.macs) == (int(row["params"]), int(row["macs"]))
