"""What an hour of a device cost, on which day and by which source: the reader of ``prices.csv``."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from steelyard.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class Price:
    """One price of one day.

    Attributes:
        item: what is rented, as `price` takes it; a device of `list_devices` where it is one.
        holds: what an item is.
        usd_per_hour: of one item.
        kind: ``on demand``, ``preemptible`` ...
        provider: who asks it.
        date: ISO 8601, of the source.
        source: where it stands.
        evidence: ``transcription``, or ``computed from the source`` out of a sum and its hours.
    """

    item: str
    holds: str
    usd_per_hour: float
    kind: str
    provider: str
    date: str
    source: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.usd_per_hour:g} USD an hour, {self.kind}, {self.provider}, {self.date}"


@lru_cache(maxsize=1)
def prices() -> tuple[Price, ...]:
    """All prices that are known, with their dates; none is of today."""
    return tuple(
        Price(**{**row, "usd_per_hour": float(row["usd_per_hour"])})  # type: ignore[arg-type]
        for row in read_csv("prices.csv")
    )


def price(item: str, kind: str = "") -> Price:
    """The newest price of an item.

    >>> price("tpu_v3").usd_per_hour
    8.0

    Args:
        item: e.g. ``tpu_v3``, ``p100``, ``h100``.
        kind: ``on demand``, ``preemptible``; "": the dearest of the newest.

    Raises:
        UnknownNameError: no price of it is known.
    """
    found = find_price(item, kind)
    if found is None:
        known = sorted({one.item for one in prices()})
        raise UnknownNameError(
            "price", item, known, hint=f"a number of USD an hour, or one of {', '.join(known)}"
        )
    return found


def find_price(item: str, kind: str = "") -> Price | None:
    """As `price`, and None where none is known."""
    same = [one for one in prices() if one.item == item and kind in ("", one.kind)]
    return max(same, key=lambda one: (one.date, one.usd_per_hour), default=None)


def read_csv(name: str) -> list[dict[str, str]]:
    """The rows of a table of this room."""
    text = resources.files("steelyard.metrics").joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))
