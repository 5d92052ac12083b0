"""Which module of the original network an ONNX node came from, as far as exporters say.

- ``torch.onnx.export`` writes metadata: ``pkg.torch.onnx.name_scopes`` and ``class_hierarchy``.
- Its older, TorchScript-based exporter writes paths: ``/layer1/layer1.0/conv1/Conv``; a component
  repeats the path of its parent where the module is in a container, and a second call of a module
  gets a number: ``relu_1``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from steelyard.capture.onnx_model import Node

_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_REPEAT = re.compile(r"(.+)_[0-9]+\Z")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a node came from; ``path`` is False where the file does not say."""

    module: str = ""
    module_type: str = ""
    path: bool = False


def origin_of(node: Node, modules: frozenset[str]) -> Origin:
    """The module that ``node`` was exported from.

    Args:
        modules: paths of modules that own parameters, see `owners`.
    """
    scopes = _strings(node.metadata.get("pkg.torch.onnx.name_scopes", ""))
    if scopes:
        types = _strings(node.metadata.get("pkg.torch.onnx.class_hierarchy", ""))
        kind = types[len(scopes) - 2] if len(types) == len(scopes) > 1 else ""
        module = scopes[-2] if len(scopes) > 1 else ""
        return Origin(module, kind.rpartition(".")[2], True)
    if node.name.startswith("/"):
        return Origin(module_path(node.name.split("/")[1:-1], modules), "", True)
    return Origin()


def _strings(text: str) -> list[str]:
    """The entries of a printed list of strings."""
    return [a or b for a, b in _QUOTED.findall(text[:10_000])]


def module_path(parts: Iterable[str], modules: frozenset[str] = frozenset()) -> str:
    """The module path that the components of a TorchScript node name spell.

    >>> module_path(["layer1", "layer1.0", "conv1"])
    'layer1.0.conv1'
    """
    path = ""
    last = ""
    for part in parts:
        if not part:
            continue
        name = part
        if last and part.startswith(last + "."):
            path = path[: len(path) - len(last)] + part
        else:
            path = f"{path}.{part}" if path else part
        last = name
    if path not in modules and (match := _REPEAT.match(path)):
        # no parameters of its own: a further call of a module
        plain = match[1]
        return plain if _sibling(plain, modules) else path
    return path


def _sibling(plain: str, modules: frozenset[str]) -> bool:
    return plain in modules


def owners(names: Iterable[str]) -> frozenset[str]:
    """Module paths of parameters named as PyTorch does, ``layer1.0.conv1.weight``."""
    return frozenset(name.rpartition(".")[0] for name in names if "." in name)
