"""Tensors to ``.safetensors`` files, written through to the disk, with their hash."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["hash_file", "write_tensors", "write_through"]

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_PIECE = 2**22


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> tuple[str, int]:
    """Writes tensors and flushes them to the disk.

    The format: 8 bytes of header length, a JSON header, the tensors one behind the other.

    Returns:
        The sha256 of the file, in hex, and its size in bytes.
    """
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header: dict[str, object] = {}
    at = 0
    for name, tensor in flat.items():
        end = at + tensor.numel() * tensor.itemsize
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, end],
        }
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return write_through(path, _pieces(struct.pack("<Q", len(text)) + text, flat))


def _pieces(head: bytes, tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    yield head
    for tensor in tensors.values():
        yield tensor.reshape(-1).view(torch.uint8).numpy().data


def write_through(path: Path, pieces: Iterator[bytes | memoryview]) -> tuple[str, int]:
    """Writes pieces behind one another and flushes them to the disk.

    Returns:
        The sha256 of the file, in hex, and its size in bytes.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size


def hash_file(path: Path) -> tuple[str, int]:
    """The sha256 of a file, in hex, and its size in bytes."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size
