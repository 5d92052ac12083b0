"""What a training or a search costs: devices x hours x price; of a run by its own throughput; and published sums beside ours."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from steelyard._display import Printable
from steelyard.errors import InputError, UsageError
from steelyard.metrics.card import Factor, Figure, product
from steelyard.metrics.pricelist import Price, find_price, prices, read_csv

if TYPE_CHECKING:
    from steelyard.train.run import Run

SCHEMA = "steelyard.training_costs/1"


@dataclass(frozen=True, slots=True)
class PublishedCost:
    """A published training or search, priced again.

    Attributes:
        name: what was trained.
        devices, device: how many of what.
        hours: of all of them at once.
        price: what one cost; None where no dated price is known.
        published_usd: the published sum; None if none is.
        published_device_days: the published effort; None if none is.
        source, evidence, note: where it stands, how we know, and what differs.
    """

    name: str
    devices: int
    device: str
    hours: float
    price: Price | None
    published_usd: float | None
    published_device_days: float | None
    source: str
    evidence: str
    note: str

    @property
    def usd(self) -> float | None:
        """Devices x hours x price; None without a price."""
        return (
            None
            if self.price is None
            else training_cost(self.devices, self.hours, self.price).value
        )

    @property
    def device_days(self) -> float:
        """Devices x hours / 24."""
        return self.devices * self.hours / 24


@dataclass(frozen=True, repr=False)
class TrainingCosts(Printable):
    """Published trainings with their sums and ours.

    Attributes:
        rows: one each.
        prices: all dated prices.
    """

    rows: tuple[PublishedCost, ...]
    prices: tuple[Price, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.training_costs/1``."""
        rows = [
            {**asdict(row), "usd": row.usd, "device_days": row.device_days} for row in self.rows
        ]
        return {"schema": SCHEMA, "trainings": rows, "prices": [asdict(one) for one in self.prices]}

    def __repr__(self) -> str:
        return f"<TrainingCosts: {len(self.rows)} published trainings>"


def training_cost(devices: float, hours: float, price: Price | float) -> Figure:
    """Money for a training.

    >>> training_cost(512, 2.5 * 24, 8.0).value
    245760.0

    Args:
        devices: that are rented.
        hours: how long.
        price: of one device: USD an hour.

    Raises:
        UsageError: a number below 0.
    """
    per_hour = price.usd_per_hour if isinstance(price, Price) else price
    for what, number in (("devices", devices), ("hours", hours), ("USD an hour", per_hour)):
        if not 0 <= number < float("inf"):
            raise UsageError(f"{number:g} {what}", expected="0 or more")
    factors = (
        Factor("devices", devices),
        Factor("hours", hours, "h"),
        Factor("price", per_hour, "USD/h"),
    )
    return product("training cost", "USD", factors, "stated")


def run_hours(run: Run) -> tuple[float, int, float]:
    """(hours for all epochs, processes, images a second) of a training run, by its own record.

    Epochs that are still to come are counted at the mean speed of those that are over.

    Raises:
        InputError: the run has no record of time yet.
    """
    file = run.path / "timing.jsonl"
    try:
        rows = (
            [json.loads(line) for line in file.read_text("utf-8").splitlines()]
            if file.is_file()
            else []
        )
        seconds = [float(row["train_seconds"]) for row in rows]
        images = sum(float(row["images_per_s"]) * float(row["train_seconds"]) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    spent = sum(seconds)
    if spent <= 0:
        raise InputError(
            f"{run.path} has no record of time", expected="a run with a finished epoch"
        )
    return spent / len(seconds) * run.recipe.epochs / 3600, run_processes(run), images / spent


def run_processes(run: Run) -> int:
    """Processes of the run's last start; 1 where it does not say."""
    starts = run.to_dict()["starts"]
    return int(starts[-1].get("processes", 1)) if starts else 1


def training_costs() -> TrainingCosts:
    """Published trainings and searches beside devices x hours x price.

    Sources stand in ``training_costs.csv`` and ``prices.csv``.
    """
    return TrainingCosts(tuple(_published(row) for row in read_csv("training_costs.csv")), prices())


def _published(row: dict[str, str]) -> PublishedCost:
    return PublishedCost(
        name=row["name"],
        devices=int(row["devices"]),
        device=row["device"],
        hours=float(row["hours"]),
        price=find_price(row["price"], row["kind"]) if row["price"] else None,
        published_usd=float(row["published_usd"]) if row["published_usd"] else None,
        published_device_days=float(row["published_device_days"])
        if row["published_device_days"]
        else None,
        source=row["source"],
        evidence=row["evidence"],
        note=row["note"],
    )


# below the classes that it prints, so that whoever has a result can print it
from steelyard.metrics import layout_tables as _layout  # noqa: E402, F401
