"""The rows of ShuffleNet V2's tables 1 to 4: what each network is, and how fast it was in the paper."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING

from steelyard.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

SCALES = (1, 2, 4)

CLAIMS: dict[str, str] = {
    "G1": "equal channel width is fastest",
    "G2": "groups, at equal MACs, cost time",
    "G3": "fragments, at equal MACs, cost time",
    "G4": "element-wise operators are not free",
}
"""What each guideline says of speed."""

_WIDTHS = {"1:1": (32, 32), "1:2": (22, 44), "1:6": (13, 78), "1:12": (9, 108)}
_GROUPS = {"1 group": (64, 1), "2 groups": (90, 2), "4 groups": (128, 4), "8 groups": (180, 8)}
_FRAGMENTS = {  # the width of one fragment; n of them are narrower by the root of n
    "1 fragment": (64, 1, False),
    "2 fragments in series": (64, 2, False),
    "4 fragments in series": (64, 4, False),
    "2 fragments in parallel": (64, 2, True),
    "4 fragments in parallel": (64, 4, True),
}
_ELEMENTWISE = {
    "neither": (False, False),
    "ReLU": (True, False),
    "shortcut": (False, True),
    "ReLU, shortcut": (True, True),
}


@dataclass(frozen=True, slots=True)
class Design:
    """One network of an experiment; the first of each keeps to the guideline.

    Attributes:
        guideline: a key of `CLAIMS`.
        row: as the tables call it.
        channels: of its convolutions.
        arm_speed: images/s on one thread of a Snapdragon 810, as published, at this scale.
        gpu_speed: batches of 8 per second on a GTX 1080 Ti, as published, at the GPU's own widths.
        make: the network.
    """

    guideline: str
    row: str
    channels: str
    arm_speed: float
    gpu_speed: float
    make: Callable[[], nn.Module]


def designs(scale: int = 1) -> tuple[Design, ...]:
    """All rows, with the mobile column's channels times ``scale``.

    Where the paper's width is no multiple of the groups (180 in 8), the nearest that is.

    Raises:
        UsageError: a scale that the paper does not have.
    """
    if scale not in SCALES:
        raise UsageError(f"a scale of {scale}", expected="1, 2 or 4, as in the paper's tables")
    found: list[Design] = []

    def add(guideline: str, row: str, channels: str, make: Callable[[], nn.Module]) -> None:
        published = _published()[guideline, row]
        arm, gpu = published[f"arm_x{scale}"], published[f"gpu_x{scale}"]
        found.append(Design(guideline, row, channels, float(arm), float(gpu), make))

    for row, (c1, c2) in _WIDTHS.items():
        a, b = c1 * scale, c2 * scale
        add("G1", row, f"{a}, {b}", partial(_make, "equal_width", a, b))
    for row, (width, groups) in _GROUPS.items():
        c = groups * round(width * scale / groups + 1e-9)
        add("G2", row, str(c), partial(_make, "grouped", c, groups))
    for row, (width, number, parallel) in _FRAGMENTS.items():
        c = round(width * scale / number**0.5)
        add("G3", row, str(c), partial(_make, "fragmented", c, number, parallel))
    for row, (relu, shortcut) in _ELEMENTWISE.items():
        c = 32 * scale
        add("G4", row, str(c), partial(_make, "bottlenecks", c, relu, shortcut))
    return tuple(found)


def _published() -> dict[tuple[str, str], dict[str, str]]:
    text = resources.files("steelyard.measure").joinpath("shufflenetv2_guidelines.csv").read_text()
    return {(row["guideline"], row["row"]): row for row in csv.DictReader(text.splitlines())}


def _make(what: str, *sizes: int) -> nn.Module:
    from steelyard.measure import guideline_networks

    made: nn.Module = getattr(guideline_networks, what)(*sizes)
    return made
