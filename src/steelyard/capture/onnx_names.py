"""Which module of the original network an ONNX layer came from, and what the layer is called.

- ``torch.onnx.export`` writes metadata: ``pkg.torch.onnx.name_scopes`` and ``class_hierarchy``.
- Its older, TorchScript-based exporter writes paths: ``/layer1/layer1.0/conv1/Conv``; a component
  repeats the path of its parent where the module is in a container, and a further call of a module
  gets a number: ``relu_1``.
- Other files have node names, or none; what a function call or subgraph is made of is in the module
  that bears its name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from steelyard.capture.onnx_model import Node
from steelyard.workload import MAC_KINDS

_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_REPEAT = re.compile(r"(.+)_[0-9]+\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer is.

    Attributes:
        module, module_type: as for `steelyard.workload.Layer`.
        name: the layer's name, "" to be named after module and operator.
    """

    module: str = ""
    module_type: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """What is known of a layer before it is named; ``path`` is that of `onnx_scope.Step`."""

    node: Node
    kind: str
    params: tuple[str, ...]
    path: str = ""


def places(layers: Sequence[Named]) -> list[Place]:
    """Module and name of every layer."""
    raw = [_module_of(layer) for layer in layers]
    seen = {module for module, _, known in raw if known}
    found = []
    for layer, (module, kind, known) in zip(layers, raw, strict=True):
        if known:
            real = _first_call(_owner(layer, module), layer.params, seen)
            kind = kind if real == module else ""
            module = real
        found.append((module, kind, known))
    parents = {path for module, _, _ in found for path in _ancestors(module)}
    ops: dict[str, set[str]] = {}
    mac_ops: dict[str, set[str]] = {}
    for layer, (module, _, _) in zip(layers, found, strict=True):
        ops.setdefault(module, set()).add(layer.node.full_op)
        if layer.kind in MAC_KINDS:
            mac_ops.setdefault(module, set()).add(layer.node.full_op)
    counts = Counter(layer.node.name for layer in layers)
    result = []
    for layer, (module, kind, known) in zip(layers, found, strict=True):
        name = layer.node.name if not known and counts[layer.node.name] == 1 else ""
        main = mac_ops.get(module) or ops[module]
        if module and module not in parents and main == {layer.node.full_op}:
            name = module  # the module is this operator
        result.append(Place(module, kind, name))
    return result


def _module_of(layer: Named) -> tuple[str, str, bool]:
    """Module path, class, and whether the file says so."""
    node = layer.node
    scopes = _strings(node.metadata.get("pkg.torch.onnx.name_scopes", ""))
    if scopes:
        types = _strings(node.metadata.get("pkg.torch.onnx.class_hierarchy", ""))
        kind = types[len(scopes) - 2] if len(types) == len(scopes) > 1 else ""
        return (scopes[-2] if len(scopes) > 1 else ""), kind.rpartition(".")[2], True
    if node.name.startswith("/"):
        return module_path(node.name.split("/")[1:-1]), "", True
    return layer.path.replace("/", "."), "", bool(layer.path)


def _strings(text: str) -> list[str]:
    """The entries of a printed list of strings."""
    return [a or b for a, b in _QUOTED.findall(text[:10_000])]


def module_path(parts: Iterable[str]) -> str:
    """The module path that the components of a TorchScript node name spell.

    >>> module_path(["layer1", "layer1.0", "conv1"])
    'layer1.0.conv1'
    """
    path = last = ""
    for part in filter(None, parts):
        if last and part.startswith(last + "."):
            path = path[: len(path) - len(last)] + part
        else:
            path = f"{path}.{part}" if path else part
        last = part
    return path


def _owner(layer: Named, module: str) -> str:
    """The module whose weight a convolution reads: exporters name it after the norm folded into it."""
    if layer.kind == "conv" and layer.params:
        owner, _, last = layer.params[0].rpartition(".")
        if last == "weight" and owner.rpartition(".")[0] == module.rpartition(".")[0]:
            return owner
    return module


def _first_call(module: str, params: tuple[str, ...], seen: set[str]) -> str:
    """``relu`` for ``relu_1``, unless the layer reads parameters that say otherwise."""
    match = _REPEAT.match(module)
    if match is None or match[1] not in seen:
        return module
    base = match[1]
    return base if all(name.startswith(base + ".") for name in params) else module


def _ancestors(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]
