"""Foreign files, opened safely: checks that they are regular files, and what they really are.

Nothing here runs code from a file or writes to disk. Zip archives are read by `steelyard.capture.archive`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal

from steelyard.errors import FileFormatError, SteelyardError

FileKind = Literal[
    "pt2", "compiled", "torchscript", "checkpoint", "pickle", "npz", "zip", "onnx", "json",
    "safetensors", "hdf5", "tflite", "gzip", "text", "unknown",
]  # fmt: skip

KIND_WORDS: dict[FileKind, str] = {
    "pt2": "a torch.export archive (.pt2)",
    "compiled": "a compiled AOTInductor package, which holds machine code and no graph",
    "torchscript": "a TorchScript archive",
    "checkpoint": "a PyTorch checkpoint (a pickle in a zip): weights, not a network",
    "pickle": "a Python pickle: weights or objects, not a network",
    "npz": "a NumPy .npz archive",
    "zip": "a zip archive of something else",
    "onnx": "an ONNX model",
    "json": "JSON text",
    "safetensors": "a safetensors file: weights, not a network",
    "hdf5": "an HDF5 file",
    "tflite": "a TensorFlow Lite model",
    "gzip": "a gzip file",
    "text": "a text file",
    "unknown": "of a kind that steelyard does not know",
}
"""What `sniff` found, in words."""

EXPORT_HINT = (
    "export the network with torch.export.save(torch.export.export(model, args), 'net.pt2'), "
    "or give package.module:callable that builds it"
)


# ---- regular files -------------------------------------------------------------------------------


@contextmanager
def open_regular(
    path: str | os.PathLike[str], *, max_bytes: int | None = None
) -> Iterator[BinaryIO]:
    """Opens a regular, non-empty file for reading; never blocks on a FIFO or a device.

    Args:
        path: the file; a symbolic link is followed.
        max_bytes: largest size accepted.

    Raises:
        FileFormatError: missing, not a regular file, empty, unreadable or too large.
    """
    with os.fdopen(open_descriptor(Path(path), max_bytes), "rb") as file:
        yield file


def open_descriptor(path: Path, max_bytes: int | None) -> int:
    """A file descriptor of a regular, non-empty file; `open_regular` says what is refused."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise FileFormatError(f"there is no file {str(path)!r}") from None
    except (OSError, ValueError) as error:
        # a socket or a device without a driver cannot be opened at all; say what it is
        raise _no_regular_file(path, _kind_on_disk(path), error) from None
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise _no_regular_file(path, _mode_words(info.st_mode), None)
        if info.st_size == 0:
            raise FileFormatError(f"{str(path)!r} is empty (0 bytes)")
        if max_bytes is not None and info.st_size > max_bytes:
            raise FileFormatError(
                f"{str(path)!r} has {info.st_size} bytes", expected=f"at most {max_bytes} bytes"
            )
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _kind_on_disk(path: Path) -> str:
    with suppress(OSError, ValueError):
        return _mode_words(path.stat().st_mode)
    return ""


def _mode_words(mode: int) -> str:
    tests = (
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a FIFO (named pipe)"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a character device"),
        (stat.S_ISBLK, "a block device"),
    )
    return next((words for test, words in tests if test(mode)), "")


def _no_regular_file(path: Path, words: str, error: Exception | None) -> FileFormatError:
    if words:
        return FileFormatError(f"{str(path)!r} is {words}", expected="a regular file")
    reason = getattr(error, "strerror", None) or str(error)
    return FileFormatError(f"{str(path)!r} cannot be read: {reason}")


def read_regular(path: str | os.PathLike[str], *, max_bytes: int) -> bytes:
    """The bytes of a regular file of at most ``max_bytes``.

    Raises:
        FileFormatError: missing, not a regular file, empty, unreadable or too large.
    """
    with open_regular(path, max_bytes=max_bytes) as file:
        try:
            data = file.read(max_bytes + 1)
        except OSError as error:
            raise _no_regular_file(Path(path), "", error) from None
    if len(data) > max_bytes:
        raise FileFormatError(f"{str(path)!r} grew beyond {max_bytes} bytes while it was read")
    return data


# ---- what a file really is -----------------------------------------------------------------------


def sniff(path: str | os.PathLike[str]) -> FileKind:
    """What a file is by its content, whatever its name says.

    Raises:
        FileFormatError: missing, not a regular file, empty or unreadable.
    """
    with open_regular(path) as file:
        try:
            return _sniff(file, Path(path))
        except OSError as error:
            raise _no_regular_file(Path(path), "", error) from None


_JSON_START = re.compile(rb"(\xef\xbb\xbf)?\s*(\{\s*[\"}]|\[\s*([\[{\"\]0-9-]|true|false|null))")


def _sniff(file: BinaryIO, path: Path) -> FileKind:
    head = file.read(4096)
    size = file.seek(0, os.SEEK_END)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _sniff_zip(path)
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and len(head) > 1:
        return "pickle"
    magic: tuple[tuple[bytes, int, FileKind], ...] = (
        (b"\x1f\x8b", 0, "gzip"),
        (b"\x89HDF\r\n\x1a\n", 0, "hdf5"),
        (b"TFL3", 4, "tflite"),
    )
    for mark, offset, kind in magic:
        if head[offset : offset + len(mark)] == mark:
            return kind
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8:
        return "safetensors"
    if _JSON_START.match(head):
        return "json"
    if _is_onnx(file, size):
        return "onnx"
    return "text" if _is_text(head) else "unknown"


def _sniff_zip(path: Path) -> FileKind:
    from steelyard.capture.archive import Archive

    try:
        with Archive(path) as archive:
            names = archive.names
    except SteelyardError:
        return "zip"
    relative = {name.partition("/")[2] or name for name in names}
    if "serialized_exported_program.json" in names or any(
        name.startswith("models/") and name.endswith(".json") for name in relative
    ):
        return "pt2"
    if any(name.startswith("data/aotinductor/") for name in relative):
        return "compiled"
    if "constants.pkl" in relative or any(name.startswith("code/") for name in relative):
        return "torchscript"
    if "data.pkl" in relative:
        return "checkpoint"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    return "pt2" if "archive_format" in relative else "zip"


def _is_text(head: bytes) -> bool:
    with suppress(UnicodeDecodeError):
        return "\x00" not in head[:4000].decode("utf-8")
    return False


# ModelProto in onnx/onnx.proto: field number -> wire type; 7 is the graph
_MODEL_FIELDS = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}


def _is_onnx(file: BinaryIO, size: int) -> bool:
    """Whether the top-level fields are those of an ONNX ModelProto, the graph among them."""
    file.seek(0)
    for _ in range(10_000):
        tag = _varint(file)
        if tag is None or _MODEL_FIELDS.get(tag >> 3) != tag & 7:
            return False
        if tag >> 3 == 7:
            return True
        length = _varint(file)
        if length is None:
            return False
        if tag & 7 == 2 and file.seek(length, os.SEEK_CUR) > size:
            return False
    return False


def _varint(file: BinaryIO) -> int | None:
    value = 0
    for shift in range(0, 63, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None


def require_kind(path: str | os.PathLike[str], wanted: FileKind) -> None:
    """Makes sure that a file is what it is taken for.

    Raises:
        FileFormatError: missing, not a regular file, empty, unreadable, or of another kind; the
            message says which and what to do instead.
    """
    found = sniff(path)
    if found != wanted:
        raise wrong_kind(path, found, wanted)


def wrong_kind(path: str | os.PathLike[str], found: FileKind, wanted: FileKind) -> FileFormatError:
    """The error for a file that is ``found`` where ``wanted`` was expected."""
    hint = ""
    if found in ("checkpoint", "pickle", "torchscript", "compiled", "safetensors"):
        hint = EXPORT_HINT
    elif found in ("pt2", "onnx", "json"):
        hint = f"name it {Path(path).stem + '.' + found!r}"
    return FileFormatError(
        f"{str(path)!r} is {KIND_WORDS[found]}", expected=KIND_WORDS[wanted], hint=hint
    )
