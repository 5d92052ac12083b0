"""`Quantity` and `Constraint`: what a search minimises and what it holds to, as short texts.

=====================  ======================================================================
``macs`` ``params``    counted on the captured network
``access``             bytes of memory access, each tensor moved once
``peak_memory``        bytes of activations at once
``latency_ms@cpu``     on this machine: by its calibration, else measured; or on a device
``energy_mj@eyeriss``  on an accelerator, each layer with its best mapping
``area_mm2@eyeriss``   of an accelerator's memories and multipliers
``naswot``             a score without training, its sign turned: a proxy
``error``              share of test images that are wrong after a short training: a proxy
=====================  ======================================================================

Where a device is searched, too, it is called ``device``: ``energy_mj@device``. All are minimised. A constraint is a quantity with ``<=`` and a number: ``macs<=300M``, ``peak_memory<=2MB``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from steelyard.errors import UsageError, nearest
from steelyard.units import format_bytes, format_si, parse_bytes, parse_count

COUNTED = ("macs", "params", "access", "peak_memory")
"""Known from the network alone, at once."""

PLACED = ("area_mm2", "latency_ms", "energy_mj")
"""On a device."""

SEARCHED = "device"
"""What quantities call the device of a space that searches one."""

UNITS = {"area_mm2": "mm²", "latency_ms": "ms", "energy_mj": "mJ"}

UNTRAINED = ("naswot",)
"""From a freshly initialised network, see `steelyard.design.search.zero_cost`."""

TRAINED = ("error",)
"""After a training."""

_EXAMPLES = "macs, params, access, peak_memory, latency_ms@cpu, energy_mj@eyeriss, area_mm2@device, naswot or error"


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that a network has.

    Attributes:
        name: as in the table above.
        device: for latency and energy, else "".
    """

    name: str
    device: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.device}" if self.device else self.name

    @property
    def counted(self) -> bool:
        """Whether it is known at once: without a mapping, a measurement or a training."""
        return self.name in (*COUNTED, "area_mm2")

    @property
    def expense(self) -> int:
        """Cheap ones first."""
        return (*COUNTED, *PLACED, *UNTRAINED, *TRAINED).index(self.name)

    def show(self, value: float) -> str:
        """With its unit."""
        if self.name in ("access", "peak_memory"):
            return format_bytes(value)
        if self.name in COUNTED:
            return format_si(value)
        if self.name in PLACED:
            return f"{value:.4g} {UNITS[self.name]}"
        return f"{value:.2%}" if self.name in TRAINED else f"{value:.1f}"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A quantity that must not be above a limit."""

    quantity: Quantity
    limit: float

    def __str__(self) -> str:
        limit = f"{self.limit:_}" if isinstance(self.limit, int) else f"{self.limit:g}"
        return f"{self.quantity}<={limit}"

    def holds(self, value: float) -> bool:
        """Whether the value is within."""
        return value <= self.limit


def quantity(text: str) -> Quantity:
    """The quantity that a text names.

    >>> quantity("latency_ms@cpu")
    Quantity(name='latency_ms', device='cpu')

    Raises:
        UsageError: an unknown name, or a device where there is none, or none where there must be one.
    """
    name, at, device = text.strip().partition("@")
    known = (*COUNTED, *PLACED, *UNTRAINED, *TRAINED)
    if name not in known:
        close = nearest(name, known, n=1)
        raise UsageError(
            f"{text!r} is nothing that a search knows of a network",
            expected=_EXAMPLES,
            hint=close[0] if close else "",
        )
    if (name in PLACED) != bool(device) or (at and not device):
        example = f"{name}@cpu" if name == "latency_ms" else f"{name}@eyeriss"
        raise UsageError(
            f"{text!r}: {'on which device?' if name in PLACED else 'this has no device'}",
            expected=example if name in PLACED else name,
        )
    return Quantity(name, device)


def quantities(texts: Iterable[str]) -> tuple[Quantity, ...]:
    """Several, each with commas between them or not.

    Raises:
        UsageError: none at all, one twice, or as `quantity`.
    """
    found = [quantity(one) for text in texts for one in text.split(",") if one.strip()]
    if not found or len(set(found)) < len(found):
        raise UsageError(
            f"objectives {', '.join(map(str, found)) or 'none'}",
            expected="one or more, each once: " + _EXAMPLES,
        )
    return tuple(found)


def constraint(text: str) -> Constraint:
    """The constraint that a text says.

    >>> constraint("macs<=300M")
    Constraint(quantity=Quantity(name='macs', device=''), limit=300000000)

    Raises:
        UsageError: no ``<=``, an unknown quantity, or no number.
    """
    match = re.fullmatch(r"\s*([^<=>]+?)\s*<=?\s*([^<=>]+?)\s*", text)
    if match is None:
        raise UsageError(
            f"{text!r} is no constraint", expected="a quantity, <= and a number", hint="macs<=300M"
        )
    found = quantity(match[1])
    if found.name in ("access", "peak_memory"):
        return Constraint(found, parse_bytes(match[2]))
    if found.name in COUNTED:
        return Constraint(found, parse_count(match[2]))
    try:
        limit = float(match[2])
    except ValueError:
        raise UsageError(f"{text!r}: {match[2]!r} is no number") from None
    if not abs(limit) < float("inf") or (limit < 0 and found.name not in UNTRAINED):
        raise UsageError(f"{text!r}: a limit of {limit}", expected="0 or more")
    return Constraint(found, limit)
