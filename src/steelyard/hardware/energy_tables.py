"""Energy per operation and per access: published tables, and how they scale with width, size and process.

Three kinds of number are kept apart: what a paper states (`OPERATION_PJ`, `SRAM_32_BIT_PJ`,
`DRAM_32_BIT_PJ`, `ISCA16_RATIO`), what is interpolated between stated figures (`mac_pj`, `sram_pj`), and the
rule of thumb that carries both to another process (`process_factor`). Presets that lean on the last two say so
in their sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import exp, log
from types import MappingProxyType

from steelyard.errors import UnknownNameError, UsageError

SOURCE_45_NM = (
    "M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014, figs. 1.1.8 and 1.1.9: "
    "45 nm, 0.9 V; from memory, as tabulated in Sze et al., Proc. IEEE 105 (12), 2017"
)

OPERATION_PJ: Mapping[str, float] = MappingProxyType(
    {
        "int8_add": 0.03,
        "int16_add": 0.05,
        "int32_add": 0.1,
        "float16_add": 0.4,
        "float32_add": 0.9,
        "int8_mult": 0.2,
        "int32_mult": 3.1,
        "float16_mult": 1.1,
        "float32_mult": 3.7,
    }
)
"""pJ of one operation at 45 nm, 0.9 V (`SOURCE_45_NM`)."""

OPERATION_UM2: Mapping[str, float] = MappingProxyType(
    {
        "int8_add": 36,
        "int16_add": 67,
        "int32_add": 137,
        "float16_add": 1360,
        "float32_add": 4184,
        "int8_mult": 282,
        "int32_mult": 3495,
        "float16_mult": 1640,
        "float32_mult": 7700,
    }
)
"""Area in square micrometres at 45 nm (`SOURCE_45_NM`)."""

SRAM_32_BIT_PJ: Mapping[int, float] = MappingProxyType(
    {8 * 1024: 5.0, 32 * 1024: 10.0, 1024 * 1024: 50.0}
)
"""pJ to read 32 bits by capacity in bytes, 45 nm (`SOURCE_45_NM`: half of the 64 bits that it states)."""

DRAM_32_BIT_PJ = 640.0
"""pJ to read 32 bits of DRAM (`SOURCE_45_NM`, the lower end of 1.3 to 2.6 nJ for 64 bits)."""

ISCA16_RATIO: Mapping[str, float] = MappingProxyType(
    {"mac": 1, "register_file": 1, "array": 2, "buffer": 6, "dram": 200}
)
"""Energy of 16-bit accesses relative to one multiply-accumulate (register file of 0.5 to 1 kB, neighbouring PE,
buffer of 100 to 500 kB): Chen et al., Eyeriss: a spatial architecture ..., ISCA 2016, table IV, 65 nm."""

_NOMINAL_V = (
    (5, 0.70),
    (7, 0.75),
    (10, 0.75),
    (16, 0.80),
    (22, 0.85),
    (28, 0.90),
    (45, 0.90),
    (65, 1.00),
    (90, 1.10),
    (130, 1.20),
    (180, 1.80),
)
"""Nominal supply by node, rounded from foundries' announcements (from memory); 45 nm is the table's 0.9 V."""


def operation_pj(name: str, node_nm: float = 45) -> float:
    """pJ of one arithmetic operation such as ``int8_add`` or ``float16_mult``.

    >>> operation_pj("int32_mult") / operation_pj("int8_mult")
    15.5

    Raises:
        UnknownNameError: not in the table.
        UsageError: a node outside 5 to 180 nm.
    """
    if name not in OPERATION_PJ:
        raise UnknownNameError("operation", name, OPERATION_PJ)
    return OPERATION_PJ[name] * process_factor(45, node_nm)


def mac_pj(bits: int, accumulator_bits: int = 32, node_nm: float = 45) -> float:
    """pJ of one integer multiply-accumulate.

    The multiplication follows the power of the width that passes through the two stated figures (8 and 32
    bits: 1.98, nearly quadratic); the addition is interpolated between 8, 16 and 32 bits.

    Args:
        bits: of both factors.
        accumulator_bits: of the sum.
        node_nm: process.

    >>> round(mac_pj(8), 3), round(mac_pj(16), 3)
    (0.3, 0.887)

    Raises:
        UsageError: a width below 1, or a node outside 5 to 180 nm.
    """
    if bits < 1 or accumulator_bits < 1:
        raise UsageError(
            f"a multiply-accumulate of {bits} and {accumulator_bits} bits", expected="widths from 1"
        )
    multiply = _through({8: 0.2, 32: 3.1}, bits)
    add = _through({8: 0.03, 16: 0.05, 32: 0.1}, accumulator_bits)
    return (multiply + add) * process_factor(45, node_nm)


def mac_um2(bits: int, node_nm: float = 45) -> float:
    """Square micrometres of one integer multiply-accumulate with a sum of 32 bits.

    The multiplier follows the power of the width that passes through the two stated figures (8 and 32 bits: 1.82); areas
    go with the square of the process.

    >>> round(mac_um2(8)), round(mac_um2(16))
    (419, 1130)

    Raises:
        UsageError: a width below 1.
    """
    if bits < 1:
        raise UsageError(f"a multiply-accumulate of {bits} bits", expected="a width from 1")
    stated = {8: OPERATION_UM2["int8_mult"], 32: OPERATION_UM2["int32_mult"]}
    return (_through(stated, bits) + OPERATION_UM2["int32_add"]) * (node_nm / 45) ** 2


def sram_pj(capacity_bytes: float, bits: int = 16, node_nm: float = 45) -> float:
    """pJ of one access of ``bits`` bits to an SRAM: in proportion to the width.

    Between the three stated sizes the energy follows the power of the capacity that passes through them (0.50
    up to 32 KiB, 0.46 above); beyond them the nearest power goes on. Nothing below 64 bytes is cheaper than
    64 bytes: registers cost their clock.

    >>> sram_pj(32 * 1024, 32), sram_pj(8 * 1024, 16)
    (10.0, 2.5)

    Raises:
        UsageError: no size or width, or a node outside 5 to 180 nm.
    """
    if capacity_bytes <= 0 or bits < 1:
        raise UsageError(
            f"an SRAM of {capacity_bytes:g} bytes, {bits} bits wide", expected="sizes above 0"
        )
    whole = _through(SRAM_32_BIT_PJ, max(capacity_bytes, 64))
    return whole * bits / 32 * process_factor(45, node_nm)


def dram_pj(bits: int = 16) -> float:
    """pJ of one access of ``bits`` bits to DRAM, 20 pJ a bit; the chip's own process does not matter.

    Raises:
        UsageError: no width.
    """
    if bits < 1:
        raise UsageError(f"a DRAM access of {bits} bits", expected="a width from 1")
    return DRAM_32_BIT_PJ * bits / 32


def process_factor(from_nm: float, to_nm: float) -> float:
    """What an energy is multiplied with when a circuit moves between processes: (to / from) x (V / V)^2.

    Switching energy is C V^2; the capacitance is taken as proportional to the node's name and V as its nominal
    supply (Dennard et al., 1974, constant-field scaling). A rule of thumb: good to a factor of about 1.5,
    worse below 16 nm, where names are no longer lengths.

    >>> round(process_factor(45, 65), 2), round(process_factor(45, 16), 2)
    (1.78, 0.28)

    Raises:
        UsageError: a node outside 5 to 180 nm.
    """
    return to_nm / from_nm * (_volts(to_nm) / _volts(from_nm)) ** 2


def _volts(node_nm: float) -> float:
    smallest, largest = _NOMINAL_V[0][0], _NOMINAL_V[-1][0]
    if not smallest <= node_nm <= largest:
        raise UsageError(
            f"a process of {node_nm:g} nm",
            expected=f"{smallest} to {largest} nm, where supplies are known",
        )
    for (low, low_v), (high, high_v) in pairwise(_NOMINAL_V):
        if node_nm <= high:
            return low_v + (high_v - low_v) * (node_nm - low) / (high - low)
    return _NOMINAL_V[-1][1]


def _through(points: Mapping[int, float], at: float) -> float:
    """Straight lines through ``points`` on log-log paper, the outermost ones continued."""
    sizes = sorted(points)
    low = max((size for size in sizes[:-1] if size <= at), default=sizes[0])
    high = sizes[sizes.index(low) + 1]
    if at == high:
        return points[high]
    power = log(points[high] / points[low]) / log(high / low)
    return points[low] * exp(power * log(at / low))
