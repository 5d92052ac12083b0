"""`ShapeTensor`, a tensor without storage, and `Program`, what a function did to tensors of known shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

if TYPE_CHECKING:
    from steelyard.capture.engines.shapes import ShapeEngine

Strides = tuple[int, ...] | None

FLOATS = frozenset({torch.float32, torch.float16, torch.bfloat16, torch.float64})
"""Types that operators keep, whatever numbers they meet."""


class CannotFollowError(Exception):
    """This engine cannot go on; the next one must."""


class ShapeTensor(torch.Tensor):
    """A tensor without storage.

    Attributes:
        shape, dtype: as of any tensor, but quick to read.
        strides: None where contiguous.
        value: index in the trace.
        root: True for a view of a parameter.
        plain: it is contiguous, of a floating-point type, and no view of a parameter: most rules take
            no others.
        engine: the engine that it belongs to.
    """

    __slots__ = ("dtype", "engine", "plain", "root", "shape", "strides", "value")
    shape: torch.Size
    dtype: torch.dtype
    strides: Strides
    value: int
    root: bool
    plain: bool
    engine: ShapeEngine

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Operators called from C++ (TorchScript, autograd Functions) come here."""
        leaves = pytree.tree_leaves((args, kwargs))
        engine: ShapeEngine = next(t.engine for t in leaves if type(t) is ShapeTensor)
        engine.busy += 1
        try:
            return engine.general(func, args, kwargs or {})
        finally:
            engine.busy -= 1


class Passing:
    """A plain tensor between two stock modules of a Sequential: nobody but rules sees it.

    It has what rules read of a `ShapeTensor` and is made in a tenth of the time.
    """

    __slots__ = ("dtype", "shape", "value")
    dtype: torch.dtype
    shape: tuple[int, ...]
    value: int
    strides = None
    root = False
    plain = True


def _members(names: str) -> set[Any]:
    """Those of the named members of torch.Tensor that this version has."""
    found = (getattr(torch.Tensor, name, None) for name in names.split())
    return {member for member in found if member is not None}


READS = _members(
    "item tolist numpy __bool__ __int__ __float__ __index__ __complex__ __array__ __contains__ "
    "__repr__ __format__ data_ptr is_nonzero"
)
METADATA = _members(
    "size dim numel nelement ndimension stride is_contiguous is_floating_point is_complex is_signed "
    "element_size storage_offset get_device __len__ is_pinned is_inference is_conj is_neg __hash__"
) | {
    member.__get__
    for member in _members(
        "shape dtype device ndim layout is_cuda is_cpu is_meta is_mps is_sparse is_quantized is_leaf "
        "requires_grad is_mkldnn is_nested itemsize nbytes names grad_fn grad is_xla is_xpu "
        "is_vulkan is_ipu is_maia is_mtia is_sparse_csr retains_grad output_nr _version"
    )
} | {torch.is_floating_point, torch.is_complex, torch.numel, torch.is_tensor, torch.is_grad_enabled}  # fmt: skip
