"""Weights under other names or in other shapes, put into a network; what does not fit is named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from steelyard.errors import FileFormatError, UsageError

Keys = tuple[tuple[str, str], ...]
"""(regular expression, replacement) pairs, applied in order to each name; what becomes "" is passed over."""

_SHOWN = 3


@dataclass(slots=True)
class _Fit:
    """What came of laying a file's tensors beside a network's."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.misshapen)


def fit(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    keys: Iterable[Keys],
    *,
    what: str,
    classes: int,
    new_head: bool = False,
) -> None:
    """Puts ``tensors`` into ``network``, in place.

    A shape may differ by sizes of 1 (a 1x1 convolution and a linear layer), and a linear layer may be a
    convolution as large as its map. Counters of batch normalisation
    (``num_batches_tracked``) and auxiliary classifiers that the network lacks are passed over.

    Args:
        network: not on the meta device.
        tensors: by the file's names.
        keys: ways to rename; the one that fits best is used.
        what: the file's name, for messages.
        classes: of ``network``.
        new_head: tensors that differ only in the number of classes keep the network's own values.

    Raises:
        UsageError: the network is on the meta device.
        FileFormatError: a tensor is missing, unexpected or of another shape. The network is as before.
    """
    own = network.state_dict()
    if any(value.is_meta for value in own.values()):
        raise UsageError(
            "weights cannot be put into a network on the meta device",
            hint="create(..., weights=...) outside of `with torch.device('meta')`",
        )
    tries = [_lay(own, _renamed(tensors, pairs), classes) for pairs in keys]
    best = min(tries, key=lambda attempt: attempt.faults)
    if best.faults:
        raise FileFormatError(_faults(best, what, len(own)))
    if best.head and not new_head:
        raise _other_classes(best, what, classes)
    with torch.no_grad():
        for name, value in best.tensors.items():
            own[name].copy_(value)


def _renamed(tensors: Mapping[str, Tensor], pairs: Keys) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for name, value in tensors.items():
        for pattern, replacement in pairs:
            name = re.sub(pattern, replacement, name)
        if name:
            renamed[name] = value
    return renamed


def _lay(own: Mapping[str, Tensor], given: Mapping[str, Tensor], classes: int) -> _Fit:
    result = _Fit()
    tops = {name.partition(".")[0] for name in own}
    for name, value in own.items():
        if name.endswith("num_batches_tracked"):
            continue
        other = given.get(name)
        if other is None:
            result.missing.append(name)
        elif other.is_floating_point() != value.is_floating_point():
            types = f"{other.dtype} in the file, {value.dtype} in the network"
            result.misshapen.append(f"{name} ({types})")
        elif _squeezed(other) == _squeezed(value) or _flattens(other, value):
            result.tensors[name] = other.reshape(value.shape)
        elif (
            value.ndim
            and other.ndim
            and len(value) == classes
            and _squeezed(other[:1]) == _squeezed(value[:1])
        ):
            result.head.append(f"{name} ({len(other)} classes)")
        else:
            shapes = f"{_text(other)} in the file, {_text(value)} in the network"
            result.misshapen.append(f"{name} ({shapes})")
    for name in given:
        top = name.partition(".")[0]
        auxiliary = top.lower().startswith("aux") and top not in tops
        if name not in own and not auxiliary and not name.endswith("num_batches_tracked"):
            result.unexpected.append(name)
    return result


def _squeezed(tensor: Tensor) -> list[int]:
    return [size for size in tensor.shape if size != 1]


def _flattens(other: Tensor, value: Tensor) -> bool:
    """Whether a convolution over a whole map is a linear layer over the same map, flattened."""
    return other.ndim == 4 and value.ndim == 2 and other.flatten(1).shape == value.shape


def _text(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def _faults(found: _Fit, what: str, total: int) -> str:
    parts = [f"{what} does not fit the network ({total} tensors)"]
    for word, names in (
        ("missing in the file", found.missing),
        ("unknown to the network", found.unexpected),
        ("of another shape or type", found.misshapen),
    ):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            parts.append(f"{len(names)} {word}: {', '.join(names[:_SHOWN])}{more}")
    return "\n".join(parts)


def _other_classes(found: _Fit, what: str, classes: int) -> FileFormatError:
    theirs = found.head[0].rpartition("(")[2].removesuffix(")")
    return FileFormatError(
        f"{what} was trained for {theirs} and the network has {classes} classes",
        hint=f"num_classes={theirs.split()[0]}; for a new classifier to train, "
        f"create(..., num_classes={classes}) typed out",
    )
