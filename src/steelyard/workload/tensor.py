"""`TensorSpec`: the shape, type and role of one tensor, without its values."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from steelyard.errors import InputError

Role = Literal["input", "activation", "parameter", "buffer", "constant"]

DTYPE_BITS: dict[str, int] = {
    "float64": 64, "float32": 32, "float16": 16, "bfloat16": 16,
    "float8_e4m3fn": 8, "float8_e5m2": 8, "float8_e4m3fnuz": 8, "float8_e5m2fnuz": 8,
    "float8_e8m0fnu": 8, "float4_e2m1fn_x2": 8, "float4_e2m1": 4, "float6_e2m3": 6, "float6_e3m2": 6,
    "int64": 64, "int32": 32, "int16": 16, "int8": 8, "int4": 4, "int2": 2,
    "uint64": 64, "uint32": 32, "uint16": 16, "uint8": 8, "uint4": 4, "uint2": 2,
    "bool": 8, "complex128": 128, "complex64": 64, "complex32": 32,
    "qint8": 8, "quint8": 8, "qint32": 32, "quint4x2": 4, "quint2x4": 2, "string": 0,
}  # fmt: skip
"""Bits one element takes, by dtype name (torch's names; ``string`` has no fixed size)."""


def is_floating(dtype: str) -> bool:
    """True for real floating-point dtypes (not complex, integer or quantised ones)."""
    return dtype.startswith(("float", "bfloat"))


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of a workload.

    Attributes:
        name: unique within its workload.
        shape: sizes, outermost first; images are (N, C, H, W).
        dtype: a key of `DTYPE_BITS`.
        role: ``input`` of the network, ``activation``, ``parameter`` (counted as a weight),
            ``buffer`` (state that is not trained, e.g. running means) or ``constant``.
        alias_of: name of the tensor whose storage this one shares (a view or an in-place
            result); "" if it has its own.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    role: Role = "activation"
    alias_of: str = ""

    @property
    def numel(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements, rounded up to whole bytes."""
        return (self.numel * dtype_bits(self.dtype) + 7) // 8


def dtype_bits(dtype: str) -> int:
    """Bits of one element.

    Raises:
        InputError: the dtype is not known.
    """
    try:
        return DTYPE_BITS[dtype]
    except KeyError:
        raise InputError(
            f"no dtype is named {dtype!r}", expected="one of " + ", ".join(DTYPE_BITS)
        ) from None
