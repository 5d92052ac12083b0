"""`read_idx`: an array from a file in the format of MNIST (IDX), plain or compressed, or an error that says where it ends.

The format: two zero bytes, the type (8: unsigned bytes), the number of dimensions, each dimension as 32 bits,
highest byte first, then the values (Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database, 1998).
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy
from numpy.typing import NDArray

from steelyard.data.opening import open_data
from steelyard.errors import FileFormatError

_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_DEFLATE_RATIO = 1032
"""No compressed byte holds more bytes than this (zlib's technical notes)."""


def read_idx(path: Path, dimensions: int, *, limit: int | None = None) -> NDArray[numpy.uint8]:
    """All values of a file of unsigned bytes.

    Args:
        path: plain or compressed by gzip; what it holds decides, not its name.
        dimensions: how many it must have: 3 for images, 1 for labels.
        limit: of values; more are refused before they are read.

    Raises:
        FileFormatError: no such file; cut off, too long, of another type; the offset is named.
    """
    with open_data(path, "a file in IDX format") as file:
        size = path.stat().st_size
        packed = file.read(2) == _GZIP
        file.seek(0)
        if not packed:
            return _read(path, file, size, dimensions, limit)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                stream = cast(BinaryIO, unpacked)
                return _read(path, stream, size * _DEFLATE_RATIO, dimensions, limit)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileFormatError(
                f"{path} is damaged at or before offset {file.tell():,}: {error}",
                expected="a whole file",
                hint="fetch it again",
            ) from error


def _read(
    path: Path, stream: BinaryIO, most: int, dimensions: int, limit: int | None
) -> NDArray[numpy.uint8]:
    shape = _shape(path, stream, dimensions)
    count = math.prod(shape)
    start = 4 + 4 * dimensions
    what = f"{path} promises {' x '.join(f'{side:,}' for side in shape)} values"
    if limit is not None and count > limit:
        raise FileFormatError(what, expected=f"at most {limit:,}")
    if start + count > most:
        raise FileFormatError(
            f"{what} and cannot hold them",
            expected=f"{start + count:,} bytes",
            hint="fetch it again",
        )
    data = bytearray()
    while len(data) < count and (piece := stream.read(min(_CHUNK, count - len(data)))):
        data += piece
    if len(data) < count:
        raise FileFormatError(
            f"{what} and ends at offset {start + len(data):,}",
            expected=f"{start + count:,} bytes",
            hint="fetch it again",
        )
    # reading on makes gzip compare its checksum, too
    if stream.read(1):
        raise FileFormatError(
            f"{what} and goes on after them, at offset {start + count:,}",
            expected=f"{start + count:,} bytes",
        )
    return numpy.frombuffer(data, numpy.uint8).reshape(shape)


def _shape(path: Path, stream: BinaryIO, dimensions: int) -> tuple[int, ...]:
    head = stream.read(4)
    kind = {1: "labels", 3: "images"}
    if len(head) < 4:
        raise FileFormatError(
            f"{path} ends at offset {len(head)}, within its first number",
            expected="a file in IDX format",
        )
    if head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 4:
        raise FileFormatError(
            f"{path} begins with {head.hex(' ')}, which is not IDX with unsigned bytes",
            expected=f"00 00 08 {dimensions:02x} at offset 0",
        )
    if head[3] != dimensions:
        raise FileFormatError(
            f"{path} holds {kind.get(head[3], f'{head[3]} dimensions')} (offset 3)",
            expected=kind.get(dimensions, f"{dimensions} dimensions"),
            hint="are the files of images and labels exchanged?" if head[3] in kind else "",
        )
    sides = stream.read(4 * dimensions)
    if len(sides) < 4 * dimensions:
        raise FileFormatError(
            f"{path} ends at offset {4 + len(sides)}, within its dimensions",
            expected="a file in IDX format",
        )
    return tuple(int(side) for side in numpy.frombuffer(sides, ">u4"))
