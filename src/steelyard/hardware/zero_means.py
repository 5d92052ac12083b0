"""`Sparsity`: what a device makes of zeros: which operands gate, skip, and how each is compressed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from steelyard.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from steelyard.hardware.device import Operand

Scheme = Literal["none", "run_length", "csc", "bitmask"]
SCHEMES: tuple[Scheme, ...] = ("none", "run_length", "csc", "bitmask")
"""How an operand may be stored, see `steelyard.hardware.compression`."""


@dataclass(frozen=True, slots=True)
class Sparsity:
    """What a device makes of zeros.

    Attributes:
        gate: operands (I, W) whose zeros keep the unit, and the innermost accesses of the others, from working.
        skip: operands whose zeros cost no cycle either; they need not be in ``gate``.
        compress: how each operand is stored in the outermost memory; of O only what is final.
    """

    gate: tuple[Operand, ...] = ()
    skip: tuple[Operand, ...] = ()
    compress: Mapping[Operand, Scheme] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for operand in (*self.gate, *self.skip):
            if operand not in ("I", "W"):
                raise UsageError(
                    f"zeros of {operand!r} do nothing to an operation", expected="I or W"
                )
        for operand, scheme in self.compress.items():
            if operand not in ("I", "W", "O"):
                raise UnknownNameError("operand", operand, ("I", "W", "O"))
            if scheme not in SCHEMES:
                raise UnknownNameError("compression", scheme, SCHEMES)

    @property
    def idle(self) -> tuple[Operand, ...]:
        """Operands whose zeros spare energy."""
        either = (*self.gate, *self.skip)
        operands: tuple[Operand, ...] = ("I", "W")
        return tuple(operand for operand in operands if operand in either)

    def __str__(self) -> str:
        said = [
            f"{word} on {' '.join(of)}"
            for word, of in (("gated", self.gate), ("skipped", self.skip))
            if of
        ]
        stored = {o: scheme for o, scheme in self.compress.items() if scheme != "none"}
        if stored:
            said.append("stored as " + ", ".join(f"{o} {s}" for o, s in stored.items()))
        return ", ".join(said)
