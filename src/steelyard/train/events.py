"""`Events`: scalars as TensorBoard reads them, written without TensorBoard.

A file holds records: length, its checksum, an ``Event`` message of Protocol Buffers, its checksum
(tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto; CRC-32C: RFC 3720, B.4).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["Events", "crc32c", "scalars_of"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # how a field of a message is stored


class Events:
    """A file of events that grows.

    Args:
        folder: where TensorBoard looks; files in it that this class wrote before are removed.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for old in folder.glob("events.out.tfevents.*.steelyard"):
            old.unlink()
        path = folder / f"events.out.tfevents.{int(time.time()):010d}.steelyard"
        self._file = path.open("wb")
        self._write(_field(3, _BYTES, b"brain.Event:2"))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Scalars of a step, by their tags."""
        summary = b"".join(
            _field(1, _BYTES, _field(1, _BYTES, tag.encode()) + _field(2, _FIXED32, value))
            for tag, value in values.items()
        )
        self._write(_field(2, _VARINT, step) + _field(5, _BYTES, summary))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _write(self, event: bytes) -> None:
        message = _field(1, _FIXED64, time.time()) + event
        length = struct.pack("<Q", len(message))
        self._file.write(length + _checksum(length) + message + _checksum(message))
        self._file.flush()


def _field(number: int, kind: int, value: bytes | float) -> bytes:
    key = _varint(number << 3 | kind)
    if isinstance(value, bytes):
        return key + _varint(len(value)) + value
    if kind == _VARINT:
        return key + _varint(int(value))
    return key + struct.pack("<d" if kind == _FIXED64 else "<f", value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def _checksum(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(data: bytes) -> int:
    """The checksum of Castagnoli.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


@lru_cache(maxsize=1)
def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


def scalars_of(row: dict[str, Any]) -> dict[str, float]:
    """A row's numbers by TensorBoard's tags."""
    if row["kind"] == "step":
        pairs = {
            "step/loss": row["loss"],
            "step/lr": row["lr"],
            "step/gradient_norm": row["gradient_norm"],
        }
    else:
        pairs = {
            f"epoch/{key}": row[key]
            for key in ("train_loss", "train_top1", "test_loss", "test_top1", "test_top5")
        }
    return {tag: value for tag, value in pairs.items() if value is not None}
