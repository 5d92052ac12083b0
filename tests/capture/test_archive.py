"""Zip archives from strangers: nothing leaves them, and nothing expands without bound."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from pathlib import Path

import pytest

from steelyard.capture.archive import MAX_ENTRIES, Archive
from steelyard.errors import FileFormatError


def _write(path: Path, members: list[tuple[str, bytes]], *, deflate: bool = False) -> Path:
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, data in members:
                archive.writestr(name, data)
    return path


def _refusal(path: Path, member: str = "a", limit: int = 1000) -> str:
    with pytest.raises(FileFormatError) as caught, Archive(path) as archive:
        archive.read(member, max_bytes=limit)
    return str(caught.value)


def test_members_are_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zip", [("a", b"one"), ("d/b", b"two")], deflate=True)
    with Archive(path) as archive:
        assert archive.names == ("a", "d/b")
        assert archive.read("d/b", max_bytes=3) == b"two"
    assert _refusal(path, "c") == f"'{path}' has no member 'c'"
    assert "has 3 bytes\nexpected: at most 2 bytes" in _refusal(path, "a", 2)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../evil", "leads out of the archive"),
        ("a/../../evil", "leads out of the archive"),
        ("/etc/evil", "has an absolute path"),
        ("C:/evil", "has an absolute path"),
        ("a\\..\\evil", "has a backslash or NUL in its name"),
    ],
)
def test_names_that_leave_the_archive_are_refused(tmp_path: Path, name: str, problem: str) -> None:
    path = _write(tmp_path / "a.zip", [("a", b"x"), (name, b"x")])
    assert f"is refused: its member {name!r} {problem}" in _refusal(path)


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zip", [("a", b"x"), ("bQc", b"x")])
    path.write_bytes(path.read_bytes().replace(b"bQc", b"b\x00c"))
    assert "has a backslash or NUL in its name" in _refusal(path)


def test_duplicate_encrypted_and_oddly_compressed_members_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zip", [("a", b"x"), ("a", b"y")])
    assert "its member 'a' appears twice" in _refusal(path)
    data = bytearray(_write(path, [("a", b"x")]).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "its member 'a' is encrypted" in _refusal(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"x" * 100)
    assert "is compressed by method 12, not stored or deflated" in _refusal(path)


def test_a_bomb_is_refused_before_it_expands(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zip", [("a", bytes(50_000_000))], deflate=True)
    message = _refusal(path, limit=10**9)
    assert "expands from" in message and "to 50000000 bytes" in message and "zip bomb?" in message


def test_a_member_that_lies_about_its_size_is_caught(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zip", [("a", bytes(5_000_000))], deflate=True)
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(mark) + at, 10)
    path.write_bytes(data)
    assert "is a damaged zip archive: member 'a' cannot be read" in _refusal(path)


def test_an_archive_of_too_many_members_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zip", [("a", b"x")])
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x05\x06") + 12, 2**31)
    path.write_bytes(data)
    assert f"expected: at most {MAX_ENTRIES} members" in _refusal(path)


def test_a_large_archive_says_its_members_in_zip64(tmp_path: Path) -> None:
    # an empty zip64 record that claims 10**9 members
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**9, 10**9, 46, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 46, 0, 0)
    path = tmp_path / "a.zip"
    path.write_bytes(record + locator + end)
    assert "has 1000000000 members" in _refusal(path)


def test_every_truncation_is_an_error_of_ours(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zip", [("a", b"x" * 50), ("b", b"y")], deflate=True)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert str(path) in _refusal(path)


def test_files_are_closed_when_an_archive_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zip", [("../a", b"x")])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        _refusal(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_not_a_zip_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(io.BytesIO(b"hello there").getvalue())
    assert "no end-of-directory record; the file may be cut off" in _refusal(path)
