"""`weightless`: builds networks without allocating or initialising weights, for those that are only analysed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_FILLS = frozenset(
    "normal_ uniform_ trunc_normal_ zero_ fill_ copy_ erfinv_ clamp_ mul_ div_ add_ sub_ sqrt_ "
    "xavier_uniform_ xavier_normal_ kaiming_uniform_ kaiming_normal_ constant_ ones_ zeros_ eye_ "
    "dirac_ orthogonal_ sparse_".split()
)


class _NoFill(TorchFunctionMode):
    """Writing values into tensors that have none does nothing.

    PyTorch would do nothing, too, but imports its compiler first, which takes a second.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _FILLS:
            target = args[0] if args else kwargs.get("tensor")
            if isinstance(target, torch.Tensor) and target.device.type == "meta":
                return target
        return func(*args, **kwargs)


@contextmanager
def weightless() -> Iterator[None]:
    """Modules built within have parameters on the meta device: shapes, no storage, no values.

    >>> with weightless():
    ...     layer = torch.nn.Linear(100_000, 100_000)
    >>> layer.weight.device.type, layer.weight.shape
    ('meta', torch.Size([100000, 100000]))
    """
    with torch.device("meta"), _NoFill():
        yield
