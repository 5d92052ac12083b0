"""`check`: is a workload consistent? Used on all that comes from a file."""

from __future__ import annotations

import unicodedata
from math import prod
from typing import get_args

from steelyard.errors import FileFormatError
from steelyard.workload.layer import KINDS, Layer
from steelyard.workload.tensor import DTYPE_BITS, Role, TensorSpec
from steelyard.workload.workload import Workload

LARGEST = 2**63 - 1
"""Largest size, number of bytes or number of operations of one tensor or layer."""


def check(workload: Workload) -> None:
    """Checks that names are unique and printable, references lead somewhere, and sizes are sane.

    Raises:
        FileFormatError: what is wrong, with the place (``layers[3].inputs``).
    """
    for place in ("name", "source"):
        _printable(getattr(workload, place), place)
    for i, warning in enumerate(workload.warnings):
        _printable(warning, f"warnings[{i}]", longest=10_000)
    tensors: dict[str, TensorSpec] = {}
    for i, tensor in enumerate(workload.tensors):
        _check_tensor(tensor, f"tensors[{i}]")
        _unique(tensor.name, tensors, f"tensors[{i}].name")
        tensors[tensor.name] = tensor
    _check_aliases(workload, tensors)
    for place in ("inputs", "outputs"):
        _exist(getattr(workload, place), tensors, place)
        if len(set(getattr(workload, place))) < len(getattr(workload, place)):
            raise FileFormatError(f"{place} names a tensor twice")
    names: set[str] = set()
    for i, layer in enumerate(workload.layers):
        _check_layer(layer, tensors, f"layers[{i}]")
        _unique(layer.name, names, f"layers[{i}].name")
        names.add(layer.name)
    _check_order(workload)


def _check_tensor(tensor: TensorSpec, place: str) -> None:
    _printable(tensor.name, f"{place}.name")
    if not tensor.name:
        raise FileFormatError(f"{place}.name is empty")
    if tensor.dtype not in DTYPE_BITS:
        raise FileFormatError(
            f"{place}.dtype: {ascii(tensor.dtype)[:80]}", expected="one of " + ", ".join(DTYPE_BITS)
        )
    if tensor.role not in get_args(Role):
        raise FileFormatError(
            f"{place}.role: {ascii(tensor.role)[:80]}",
            expected="one of " + ", ".join(get_args(Role)),
        )
    # the product of the sizes that are not 0, as strides are made of those
    if prod(size for size in tensor.shape if size) * DTYPE_BITS[tensor.dtype] > 8 * LARGEST:
        raise FileFormatError(f"{place}.shape: more than 2**63 - 1 bytes")


def _check_aliases(workload: Workload, tensors: dict[str, TensorSpec]) -> None:
    settled: set[str] = set()
    for i, tensor in enumerate(workload.tensors):
        path: dict[str, None] = {}
        name = tensor.name
        while name not in settled:
            if name in path:
                raise FileFormatError(f"tensors[{i}].alias_of: {name!r} is an alias of itself")
            path[name] = None
            owner = tensors[name].alias_of
            if not owner:
                break
            if owner not in tensors:
                raise FileFormatError(
                    f"tensors[{i}].alias_of: there is no tensor {ascii(owner)[:80]}"
                )
            name = owner
        settled.update(path)


def _check_layer(layer: Layer, tensors: dict[str, TensorSpec], place: str) -> None:
    for key in ("name", "op", "module", "module_type"):
        _printable(getattr(layer, key), f"{place}.{key}")
    if not layer.name:
        raise FileFormatError(f"{place}.name is empty")
    if layer.kind not in KINDS:
        raise FileFormatError(
            f"{place}.kind: {ascii(layer.kind)[:80]}", expected="one of " + ", ".join(KINDS)
        )
    for key in ("inputs", "outputs", "params"):
        _exist(getattr(layer, key), tensors, f"{place}.{key}")
    for i, nest in enumerate(layer.nests):
        largest = max(nest.macs, nest.weights, nest.input_elements, nest.output_elements)
        if largest > LARGEST:
            raise FileFormatError(f"{place}.nests[{i}]: more than 2**63 - 1 operations or elements")


def _check_order(workload: Workload) -> None:
    """Nothing is written twice or read before it is written."""
    writer = {}
    for i, layer in enumerate(workload.layers):
        for name in layer.outputs:
            if name in writer or name in workload.inputs:
                raise FileFormatError(f"layers[{i}].outputs: {name!r} exists already")
            writer[name] = i
    for i, layer in enumerate(workload.layers):
        for name in (*layer.inputs, *layer.params):
            if writer.get(name, -1) >= i:
                raise FileFormatError(
                    f"layers[{i}].inputs: {name!r} is read before it is written",
                    expected="layers in the order of execution",
                )


def _printable(text: str, place: str, *, longest: int = 1000) -> None:
    """Names end up on terminals: no control, format, surrogate or line-separating characters."""
    if text.isascii() and text.isprintable() and len(text) <= longest:
        return
    if len(text) > longest:
        raise FileFormatError(f"{place}: {len(text)} characters", expected=f"at most {longest}")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in text):
        raise FileFormatError(f"{place}: {ascii(text)[:80]} has characters that do not print")


def _unique(name: str, taken: dict[str, TensorSpec] | set[str], place: str) -> None:
    if name in taken:
        raise FileFormatError(f"{place}: {name!r} appears twice")


def _exist(names: tuple[str, ...], tensors: dict[str, TensorSpec], place: str) -> None:
    for name in names:
        if name not in tensors:
            raise FileFormatError(f"{place}: there is no tensor {ascii(name)[:80]}")
