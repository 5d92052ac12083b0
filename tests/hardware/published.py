"""Reads the study's tables and AlexNet as the study shapes it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from steelyard.workload.loopnest import LoopNest

DATA = Path(__file__).parent / "data"

Row = dict[str, str]


def rows(name: str) -> list[Row]:
    """A table of ``data/`` as text."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def number(row: Row, column: str) -> float:
    """A figure of a row."""
    return float(row[column])


def mapping(row: Row) -> dict[str, int]:
    """A row's mapping parameters."""
    return {key: int(value) for key, value in json.loads(row["params"]).items()}


def convolution(
    n: int, c: int, m: int, h: int, r: int, stride: int, pad: int, groups: int = 1
) -> LoopNest:
    """A square convolution; c and m of all groups."""
    e = (h + 2 * pad - r) // stride + 1
    return LoopNest(
        N=n, G=groups, M=m, C=c, out=(e, e), kernel=(r, r), input=(h, h), stride=(stride, stride),
        dilation=(1, 1), padding=((pad, pad), (pad, pad)),
    )  # fmt: skip


# Krizhevsky et al. 2012; the first fully connected layer is a 6 x 6 convolution, as in the study
_ALEXNET = {
    "1": (3, 96, 227, 11, 4, 0, 1),
    "2": (96, 256, 27, 5, 1, 2, 2),
    "3": (256, 384, 13, 3, 1, 1, 1),
    "4": (384, 384, 13, 3, 1, 1, 2),
    "5": (384, 256, 13, 3, 1, 1, 2),
    "6": (256, 4096, 6, 6, 1, 0, 1),
    "7": (4096, 4096, 1, 1, 1, 0, 1),
    "8": (4096, 1000, 1, 1, 1, 0, 1),
}


def alexnet(layer: str, batch: int) -> LoopNest:
    """Layer 1 to 8."""
    return convolution(batch, *_ALEXNET[layer])
