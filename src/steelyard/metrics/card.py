"""`Scorecard`: the eight metrics of a network on a device, each with its factors, what must stand beside it, what is missing.

A figure is computed from its factors: `Figure.computed` does it again, and is the figure's value for every figure
of every card. What is not known has no value but a reason; nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import fsum, prod
from typing import TYPE_CHECKING, Any, Literal

from steelyard._display import Printable
from steelyard.errors import UnknownNameError

if TYPE_CHECKING:
    from steelyard.report.table import Table

SCHEMA = "steelyard.scorecard/1"
SCHEMA_MANY = "steelyard.scorecards/1"

MetricName = Literal[
    "accuracy", "throughput", "latency", "energy", "power", "cost", "flexibility", "scalability"
]
Basis = Literal["published", "trained", "modelled", "predicted", "measured", "bound", "stated", ""]

METRICS: tuple[MetricName, ...] = (
    "accuracy", "throughput", "latency", "energy", "power", "cost", "flexibility", "scalability",
)  # fmt: skip
"""In the order in which cards hold them."""

BASES: dict[Basis, str] = {
    "published": "published by its authors",
    "trained": "of a training run",
    "modelled": "modelled: each layer with its best mapping",
    "predicted": "predicted by this machine's calibration",
    "measured": "measured on this machine",
    "bound": "a bound: no program does better, most do far worse",
    "stated": "stated by the device's source",
    "": "",
}
"""How a figure came about, in words."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One number of a figure's equation.

    Attributes:
        name: what it is.
        value: in the unit; a share is of 1.
        unit: "" for a pure number.
        divides: the figure is divided by it.
    """

    name: str
    value: float
    unit: str = ""
    divides: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, what it is computed from, and how it came about; or why there is none.

    Attributes:
        name: what it is.
        value: in the unit; None if it is not known.
        unit: SI without prefixes, or ``%``, ``share``, ``USD``, ``MAC``.
        rule: ``product`` or ``sum`` of the factors; "" for a figure that is not computed.
        factors: in the order of the equation.
        basis: how it came about.
        unavailable: why there is no value; "" if there is.
    """

    name: str
    value: float | None
    unit: str = ""
    rule: Literal["product", "sum", ""] = ""
    factors: tuple[Factor, ...] = ()
    basis: Basis = ""
    unavailable: str = ""

    def computed(self) -> float | None:
        """The figure once more from its factors; None without any."""
        if not self.factors:
            return None
        if self.rule == "sum":
            return fsum(factor.value for factor in self.factors)
        up = prod(factor.value for factor in self.factors if not factor.divides)
        return up / prod(factor.value for factor in self.factors if factor.divides)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "basis": self.basis,
            "rule": self.rule,
            "factors": [
                {
                    "name": factor.name,
                    "value": factor.value,
                    "unit": factor.unit,
                    "divides": factor.divides,
                }
                for factor in self.factors
            ],
            "unavailable": self.unavailable,
        }


def product(
    name: str,
    unit: str,
    factors: tuple[Factor, ...],
    basis: Basis,
    rule: Literal["product", "sum"] = "product",
) -> Figure:
    """A figure computed from its factors."""
    value = Figure(name, None, unit, rule, factors).computed()
    return Figure(name, value, unit, rule, factors, basis)


def unavailable(name: str, unit: str, reason: str) -> Figure:
    """A figure that is not known."""
    return Figure(name, None, unit, unavailable=reason)


@dataclass(frozen=True, slots=True)
class Metric:
    """One of the eight.

    Attributes:
        name: which.
        figure: the figure that stands for it.
        others: further figures of it, computed or unavailable.
        equation: how the figure is computed, in words.
        stated: (what, text) that must stand beside the figure, or it cannot be compared.
        missing: (what, reason) of what should be here and is not.
    """

    name: MetricName
    figure: Figure
    others: tuple[Figure, ...] = ()
    equation: str = ""
    stated: tuple[tuple[str, str], ...] = ()
    missing: tuple[tuple[str, str], ...] = ()

    @property
    def value(self) -> float | None:
        """Of the figure."""
        return self.figure.value

    @property
    def unit(self) -> str:
        """Of the figure."""
        return self.figure.unit

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Of the figure."""
        return self.figure.factors

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figure and the others."""
        return (self.figure, *self.others)

    def other(self, name: str) -> Figure:
        """The figure of that name.

        Raises:
            UnknownNameError: there is none.
        """
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise UnknownNameError("figure", name, [figure.name for figure in self.figures])

    @property
    def gaps(self) -> tuple[tuple[str, str], ...]:
        """What is not known and why, of figures without a value and of ``missing``."""
        figures = [(one.name, one.unavailable) for one in self.figures if one.value is None]
        return (*figures, *self.missing)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "equation": self.equation,
            "figure": self.figure.to_dict(),
            "others": [figure.to_dict() for figure in self.others],
            "stated": [{"what": what, "text": text} for what, text in self.stated],
            "missing": [{"what": what, "reason": reason} for what, reason in self.gaps],
        }


@dataclass(frozen=True, repr=False)
class Scorecard(Printable):
    """A network on a device by all eight metrics.

    Attributes:
        network: its name.
        device: its name.
        batch: images of one pass.
        metrics: the eight, in the order of `METRICS`.
        notes: what a reader of the numbers must know.
    """

    network: str
    device: str
    batch: int
    metrics: tuple[Metric, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)

    def metric(self, name: str) -> Metric:
        """The metric of that name.

        Raises:
            UnknownNameError: there is none.
        """
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise UnknownNameError("metric", name, METRICS)

    def records(self) -> Table:
        """Every figure as one flat table: what CSV holds."""
        return _layout.records(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.scorecard/1``."""
        return {
            "schema": SCHEMA,
            "network": self.network,
            "device": self.device,
            "batch": self.batch,
            "metrics": [metric.to_dict() for metric in self.metrics],
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        known = sum(metric.value is not None for metric in self.metrics)
        return (
            f"<Scorecard {self.network!r} on {self.device}: {known} of {len(self.metrics)} metrics>"
        )


@dataclass(frozen=True, repr=False)
class Scorecards(Printable):
    """Several cards side by side.

    Attributes:
        cards: in the order asked for.
        unlike: sentences on what differs between them and so must be thought of before they are compared.
    """

    cards: tuple[Scorecard, ...]
    unlike: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.scorecards/1``."""
        return {
            "schema": SCHEMA_MANY,
            "cards": [card.to_dict() for card in self.cards],
            "unlike": list(self.unlike),
        }

    def __repr__(self) -> str:
        return f"<Scorecards: {len(self.cards)}>"


# below the classes that it prints, so that whoever has a card can print it
from steelyard.metrics import layout as _layout  # noqa: E402
