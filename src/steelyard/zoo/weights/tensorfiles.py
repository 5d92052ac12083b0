"""Tensors by name from ``.safetensors``, ``.pt`` and ``.pth`` files, without running what is in them."""

from __future__ import annotations

import json
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steelyard.errors import FileFormatError

SUFFIXES = (".safetensors", ".pt", ".pth")

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_MAX_HEADER = 100_000_000  # the format's own limit


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name, on the CPU.

    ``.pt`` and ``.pth`` are read by ``torch.load(weights_only=True)`` and never otherwise. A dictionary under
    ``state_dict``, ``model`` or ``model_state_dict`` is taken out, and the prefix ``module.`` of
    data-parallel training removed.

    Raises:
        FileFormatError: no such file, another format, damaged, or it holds more than tensors.
    """
    if path.suffix not in SUFFIXES:
        raise FileFormatError(
            f"{path} is no file of weights that can be read", expected=", ".join(SUFFIXES)
        )
    if not path.is_file():
        what = "is no regular file" if path.exists() else "does not exist"
        raise FileFormatError(f"{path} {what}", expected="a file of weights")
    try:
        return _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror or error}") from error


def _damaged(path: Path, error: Exception) -> FileFormatError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return FileFormatError(
        f"{path} is damaged or no file of weights: {reason}",
        expected="what torch.save(network.state_dict(), ...) writes",
    )


def _pickled(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the pickle's protocol
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes PyTorch raise a dozen kinds
        if type(error).__name__ != "UnpicklingError":
            raise _damaged(path, error) from error
        raise FileFormatError(
            f"{path} is damaged, or holds more than tensors and would run code when it is read",
            expected="a dictionary of tensors",
            hint="in the program that made it: torch.save(network.state_dict(), 'weights.pt')",
        ) from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and _plain(value) for name, value in content.items()
    ):
        raise FileFormatError(
            f"{path} holds something else than tensors by name",
            expected="what torch.save(network.state_dict(), ...) writes",
        )
    tensors = {str(name): value.detach() for name, value in content.items()}
    if tensors and all(name.startswith("module.") for name in tensors):
        return {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors


def _plain(value: object) -> bool:
    """A tensor of ordinary numbers, with values."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not value.is_quantized
        and not value.is_meta
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    """8 bytes of header length, a JSON header, the tensors one behind the other."""
    content = bytearray(path.read_bytes())
    if len(content) < 8:
        raise FileFormatError(f"{path} is cut off: {len(content)} bytes")
    (length,) = struct.unpack("<Q", content[:8])
    if length > min(_MAX_HEADER, len(content) - 8):
        raise FileFormatError(f"{path} is cut off or no safetensors file")
    try:
        header = json.loads(content[8 : 8 + length].decode("utf-8"))
        entries = [
            (name, _DTYPES[e["dtype"]], _integers(e["shape"]), *_integers(e["data_offsets"]))
            for name, e in header.items()
            if name != "__metadata__"
        ]
        return _sliced(content, 8 + length, entries)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileFormatError(
            f"{path} is damaged: {type(error).__name__}: {error}", expected="a safetensors file"
        ) from error


def _integers(values: object) -> list[int]:
    if not isinstance(values, list) or not all(type(n) is int and n >= 0 for n in values):
        raise ValueError(f"{values!r} where sizes are expected")
    return values


def _sliced(content: bytearray, start: int, entries: list[Any]) -> dict[str, Tensor]:
    """Tensors over ``content``; they must fill it exactly, without overlap."""
    tensors: dict[str, Tensor] = {}
    expected = 0
    for name, dtype, shape, begin, end in sorted(entries, key=lambda entry: entry[3:]):
        count = 1
        for size in shape:
            count *= size
        if begin != expected or end - begin != count * dtype.itemsize:
            raise ValueError(f"the place of {name!r} does not fit its shape")
        expected = end
        flat = (
            torch.frombuffer(content, dtype=dtype, count=count, offset=start + begin)
            if count
            else torch.empty(0, dtype=dtype)
        )
        tensors[name] = flat.reshape(shape)
    if start + expected != len(content):
        raise ValueError(f"{len(content) - start} bytes of tensors where {expected} are announced")
    return tensors
