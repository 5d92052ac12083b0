"""Files in IDX format: whole, cut, lying, torn; whatever the bytes are, an array or an error of ours."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steelyard.data.idx import read_idx
from steelyard.errors import FileFormatError

VALUES = numpy.arange(24, dtype=numpy.uint8).reshape(2, 3, 4)
CONTENT = bytes.fromhex("00000803 00000002 00000003 00000004") + bytes(range(24))


def saved(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "images"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_values_come_as_they_lie(tmp_path, pack) -> None:
    found = read_idx(saved(tmp_path, pack(CONTENT)), 3)
    assert found.dtype == numpy.uint8
    numpy.testing.assert_array_equal(found, VALUES)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"images ends at offset 0, within its first number"),
        (b"\0\0\x08", r"ends at offset 3, within its first number"),
        (CONTENT[:9], r"ends at offset 9, within its dimensions"),
        (CONTENT[:-1], r"2 x 3 x 4 values and cannot hold them\nexpected: 40 bytes"),
        (CONTENT + b"!", r"goes on after them, at offset 40\nexpected: 40 bytes"),
        (b"\x89PNG" + CONTENT, r"begins with 89 50 4e 47, .*\nexpected: 00 00 08 03 at offset 0"),
        (b"\0\0\x0d\x03" + CONTENT[4:], r"begins with 00 00 0d 03"),
        (b"\0\0\x08\x02" + CONTENT[4:], r"holds 2 dimensions \(offset 3\)\nexpected: images"),
        (b"\0\0\x08\x01\0\0\0\x02ab", r"holds labels \(offset 3\)\nexpected: images\n.*exchanged"),
    ],
)
def test_what_is_wrong_is_said_with_the_offset(tmp_path, content, says) -> None:
    with pytest.raises(FileFormatError, match=says):
        read_idx(saved(tmp_path, content), 3)


def test_a_cut_within_a_compressed_file(tmp_path) -> None:
    long = CONTENT[:4] + struct.pack(">3I", 100, 30, 40) + os.urandom(120_000)
    packed = gzip.compress(long)
    with pytest.raises(FileFormatError, match=r"damaged at or before offset \d[\d,]+: .*end"):
        read_idx(saved(tmp_path, packed[: len(packed) // 2]), 3)
    whole = gzip.compress(CONTENT[:-3])
    with pytest.raises(FileFormatError, match=r"2 x 3 x 4 values and ends at offset 37"):
        read_idx(saved(tmp_path, whole), 3)


def test_a_flipped_bit_in_a_compressed_file_is_found_by_its_checksum(tmp_path) -> None:
    stored = bytearray(gzip.compress(CONTENT, compresslevel=0))
    stored[stored.index(bytes(range(24))) + 5] ^= 1
    with pytest.raises(FileFormatError, match="CRC check failed"):
        read_idx(saved(tmp_path, bytes(stored)), 3)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_that_promises_the_moon_costs_nothing(tmp_path, pack) -> None:
    content = CONTENT[:4] + struct.pack(">3I", 2**31, 2**20, 2**20) + bytes(100)
    path = saved(tmp_path, pack(content))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=r"2,147,483,648 x .* and cannot hold them"):
        read_idx(path, 3)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_small_file_that_unpacks_to_much_is_stopped_by_the_limit(tmp_path) -> None:
    side = 1 << 11
    bomb = gzip.compress(CONTENT[:4] + struct.pack(">3I", 4, side, side) + bytes(4 * side * side))
    with pytest.raises(FileFormatError, match=r"4 x 2,048 x 2,048 values\nexpected: at most 100"):
        read_idx(saved(tmp_path, bomb), 3, limit=100)


def test_what_is_no_file(tmp_path) -> None:
    with pytest.raises(FileFormatError, match=r"gone does not exist\nexpected: a file in IDX"):
        read_idx(tmp_path / "gone", 3)
    with pytest.raises(FileFormatError, match="is no regular file"):
        read_idx(tmp_path, 3)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileFormatError, match="pipe is no regular file"):
        read_idx(tmp_path / "pipe", 3)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch) -> None:
    path = saved(tmp_path, CONTENT)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(FileFormatError, match=r"images cannot be read: Permission denied"):
        read_idx(path, 3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damage_is_never_more_than_an_error(tmp_path, data) -> None:
    content = bytearray(data.draw(st.sampled_from([CONTENT, gzip.compress(CONTENT, mtime=0)])))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    path = saved(tmp_path, bytes(content[:cut] if data.draw(st.booleans()) else content))
    tracemalloc.start()
    try:
        found = read_idx(path, data.draw(st.sampled_from([1, 3])))
    except FileFormatError as error:
        assert str(path) in str(error)
    else:
        assert found.nbytes <= 1032 * path.stat().st_size
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1 << 20
