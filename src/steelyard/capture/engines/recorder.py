"""`Recorder`: writes every operator that reaches PyTorch's dispatcher into a `Trace`.

It works on any tensors, real or meta.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from steelyard.capture.engines.trace import Trace, counted
from steelyard.capture.rules import Call, Draft, Operand, RuleTable

CANONICAL: dict[str, str] = {
    "aten._native_batch_norm_legit_no_training": "aten.batch_norm",
    "aten._native_batch_norm_legit": "aten.batch_norm",
    "aten._native_batch_norm_legit_functional": "aten.batch_norm",
    "aten.native_batch_norm": "aten.batch_norm",
    "aten.cudnn_batch_norm": "aten.batch_norm",
    "aten.native_layer_norm": "aten.layer_norm",
    "aten.native_group_norm": "aten.group_norm",
    "aten.native_dropout": "aten.dropout",
    "aten._softmax": "aten.softmax",
    "aten._safe_softmax": "aten.softmax",
    "aten._log_softmax": "aten.log_softmax",
    "aten.max_pool1d_with_indices": "aten.max_pool1d",
    "aten.max_pool2d_with_indices": "aten.max_pool2d",
    "aten.max_pool3d_with_indices": "aten.max_pool3d",
    "aten._adaptive_avg_pool2d": "aten.adaptive_avg_pool2d",
    "aten._adaptive_avg_pool3d": "aten.adaptive_avg_pool3d",
    "aten._unsafe_view": "aten.view",
    "aten._reshape_alias": "aten.view",
    "aten._to_copy": "aten.to",
    "aten._embedding_bag": "aten.embedding_bag",
    "aten._embedding_bag_forward_only": "aten.embedding_bag",
}
"""Names that the dispatcher sees -> names that people write (and torch.export keeps)."""

_SKIPPED = frozenset(
    "aten.detach aten.detach_ aten.alias aten.lift_fresh aten.lift aten.is_same_size aten.sym_size "
    "aten.sym_stride aten.sym_numel aten.set_ aten._assert_async aten._assert_tensor_metadata "
    "aten.resolve_conj aten.resolve_neg aten._conj aten.requires_grad_ aten._has_same_storage_numel".split()
)


_READING = frozenset({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape})
"""Tags of operators that look at values to decide on numbers or shapes."""

_BY_MASK = frozenset({torch.ops.aten.index, torch.ops.aten._unsafe_index})


class _Signature(NamedTuple):
    """What the recorder needs of an operator's schema."""

    name: str
    written: tuple[int, ...]
    skip: bool
    reads: bool


def dtype_name(dtype: torch.dtype) -> str:
    """``torch.float32`` -> ``float32``."""
    return str(dtype).removeprefix("torch.")


class _DtypeNames(dict[torch.dtype, str]):
    def __missing__(self, dtype: torch.dtype) -> str:
        self[dtype] = name = dtype_name(dtype)
        return name


DTYPE_NAMES = _DtypeNames()
"""`dtype_name`, remembered."""


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records operators while active.

    Args:
        trace: written to.
        rules: the rule table.
        like: a recorder whose knowledge of operators' schemas this one shares.
    """

    def __init__(self, trace: Trace, rules: RuleTable, like: Recorder | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.trace = trace
        self.rules = rules
        self.paused = 0
        self.read: set[int] = set()
        self._ids: dict[tuple[Any, ...], int] = {}
        self._storages: dict[int, tuple[Any, int]] = {}
        self._signatures: dict[Any, _Signature] = {} if like is None else like._signatures
        self._token = object()

    # ---- tensors <-> values ------------------------------------------------------------

    def bind(self, tensor: torch.Tensor, value: int) -> None:
        """Makes ``value`` the name of this tensor, which is ours (a copy or a result), from now on."""
        self._bind_identity(tensor, value)
        # PyTorch hands views on as new objects, so that this is not always found again
        tensor._steelyard_value = (self._token, value)  # type: ignore[attr-defined]

    def _bind_identity(self, tensor: torch.Tensor, value: int) -> None:
        key, storage = _identity(tensor)
        self._ids[key] = value
        # the storage is kept, so that no later one can get the same address
        if key[0] not in self._storages:
            self._storages[key[0]] = (storage, value)

    def value_of(self, tensor: torch.Tensor) -> int:
        """The value of a tensor; one never seen becomes a constant."""
        token, value = getattr(tensor, "_steelyard_value", (None, -1))
        if token is self._token:
            return int(value)
        key, _ = _identity(tensor)
        found = self._ids.get(key)
        if found is not None:
            return found
        shape, dtype = tuple(tensor.shape), dtype_name(tensor.dtype)
        owner = self._storages.get(key[0])
        if owner is None:
            value = self.trace.value(shape, dtype, "constant", "constant")
        else:
            root = self.trace.values[owner[1]]
            if root.role not in ("parameter", "buffer"):
                return owner[1]
            value = self.trace.value(shape, dtype, root.role, root.name, owner[1], owner[1])
        self._bind_identity(tensor, value)
        return value

    # ---- the mode ----------------------------------------------------------------------

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: PyTorch would wrap every call to keep its compiler off, which is not about here."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if not self.paused:
            signature = self._signatures.get(func)
            if signature is None:
                signature = self._signatures[func] = _signature(func)
            if signature.reads:
                self._note_reads(func, args)
            if not signature.skip:
                self.record(signature.name, args, kwargs, out, written=signature.written)
        return out

    def _note_reads(self, func: Any, args: tuple[Any, ...]) -> None:
        """Remembers the operands whose values decide what comes next: ``item``, ``nonzero``, masks."""
        tensors = [tensor for arg in args for tensor in _tensors(arg)]
        if func.overloadpacket in _BY_MASK:  # only a mask's values decide about shapes
            tensors = [t for t in tensors[1:] if t.dtype in (torch.bool, torch.uint8)]
        self.read.update(self.value_of(tensor) for tensor in tensors)

    def record(
        self,
        op: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        out: Any,
        *,
        written: tuple[int, ...] = (),
    ) -> None:
        """Writes one call."""
        with torch._C.DisableTorchFunction():  # shapes and strides need no mode's opinion
            self._write(op, args, kwargs, out, written)

    def _write(
        self,
        op: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        out: Any,
        written: tuple[int, ...],
    ) -> None:
        operands: list[torch.Tensor] = []
        call_args = tuple(_describe(arg, operands, self) for arg in args)
        call_kwargs = {key: _describe(arg, operands, self) for key, arg in kwargs.items()}
        results = _tensors(out)
        if not results:
            return
        ids = [self.value_of(tensor) for tensor in operands]
        values = self.trace.values
        call = Call(op, call_args, call_kwargs, tuple(_operand(t) for t in results))
        draft = apply_rule(self.rules, call)
        inplace = bool(written)
        roots = [values[i].root if values[i].root >= 0 else i for i in ids]
        is_param = [values[i].role in ("parameter", "buffer") for i in ids]
        if draft.kind == "view" and ids and all(is_param) and not inplace:
            # a view of a parameter is that parameter
            for tensor in results:
                self._bind_param_view(tensor, roots[0])
            return
        inputs = tuple(i for i, param in zip(ids, is_param, strict=True) if not param)
        params = tuple(root for root, param in zip(roots, is_param, strict=True) if param)
        aliased = self._aliases(results, operands, ids)
        if draft.kind == "view" and -1 in aliased:
            draft = draft._replace(kind="copy")
        outputs = []
        for tensor, alias in zip(results, aliased, strict=True):
            value = self.trace.value(tuple(tensor.shape), dtype_name(tensor.dtype), alias=alias)
            self.bind(tensor, value)
            outputs.append(value)
        name = canonical_name(op, draft, call)
        self.trace.event(name, counted(draft), inputs, tuple(outputs), params, inplace=inplace)

    def _bind_param_view(self, tensor: torch.Tensor, root: int) -> None:
        owner = self.trace.values[root]
        value = self.trace.value(
            tuple(tensor.shape), dtype_name(tensor.dtype), owner.role, owner.name,
            alias=root, root=root,
        )  # fmt: skip
        self.bind(tensor, value)

    def _aliases(
        self, results: list[torch.Tensor], operands: list[torch.Tensor], ids: list[int]
    ) -> list[int]:
        """For each result the operand whose storage it shares, or -1."""
        owners: dict[int, int] = {}
        for tensor, value in zip(operands, ids, strict=True):
            owners.setdefault(_identity(tensor)[0][0], value)
        return [owners.get(_identity(tensor)[0][0], -1) for tensor in results]


def canonical_name(op: str, draft: Draft, call: Call) -> str:
    """The name people write for an operator of the dispatcher."""
    if draft.kind == "linear" and op in ("aten.addmm", "aten.mm", "aten._addmm_activation"):
        return "aten.linear"
    if op == "aten.convolution" and draft.nests:
        nest = draft.nests[0]
        return f"aten.conv{'_transpose' if nest.transposed else ''}{len(nest.out)}d"
    base = op.rpartition(".")[0] if op.count(".") > 1 else op
    return CANONICAL.get(base, base)


def apply_rule(rules: RuleTable, call: Call) -> Draft:
    """The rule's draft; one of ours that cannot make sense of a call leaves it unknown, with a warning.

    Raises:
        UsageError: a rule of the user's raised, or answered no draft.
    """
    try:
        return rules.apply(call)
    except Exception:
        if rules.was_added(call.op):
            raise
        return Draft("unknown")


def _identity(tensor: torch.Tensor) -> tuple[tuple[Any, ...], Any]:
    """(storage, offset, shape, strides, dtype) names a tensor; views made twice are the same."""
    try:
        storage = tensor.untyped_storage()
        key = (
            storage._cdata,
            tensor.storage_offset(),
            tuple(tensor.shape),
            tensor.stride(),
            tensor.dtype,
        )
    except (RuntimeError, NotImplementedError):  # sparse and other tensors without one storage
        return (id(tensor), 0, tuple(tensor.shape), (), tensor.dtype), tensor
    return key, storage


def _operand(tensor: torch.Tensor, *, is_param: bool = False) -> Operand:
    strides = tensor.stride() if tensor.layout == torch.strided else None
    return Operand(tuple(tensor.shape), dtype_name(tensor.dtype), strides, is_param)


def _describe(arg: Any, operands: list[torch.Tensor], recorder: Recorder) -> Any:
    """``arg`` with an `Operand` for every tensor, which is also appended to ``operands``."""
    if isinstance(arg, torch.Tensor):
        operands.append(arg)
        role = recorder.trace.values[recorder.value_of(arg)].role
        return _operand(arg, is_param=role == "parameter")
    if isinstance(arg, (list, tuple)):
        return [_describe(item, operands, recorder) for item in arg]
    if isinstance(arg, torch.ScriptObject):
        return _packed(arg)
    return arg


def _packed(arg: Any) -> Any:
    """(weight, stride, padding, dilation, groups) of quantised packed parameters."""
    try:
        weight = arg.unpack()[0] if hasattr(arg, "unpack") else arg.weight()
        entry = (_operand(weight),)
        if hasattr(arg, "groups"):
            return (*entry, arg.stride(), arg.padding(), arg.dilation(), arg.groups())
        return entry
    except (AttributeError, RuntimeError):
        return arg


def _tensors(out: Any) -> list[torch.Tensor]:
    if isinstance(out, torch.Tensor):
        return [out]
    if isinstance(out, (list, tuple)):
        return [tensor for item in out for tensor in _tensors(item)]
    return []


def _signature(func: Any) -> _Signature:
    schema = func._schema
    name = schema.name.replace("::", ".")
    if schema.overload_name:
        name = f"{name}.{schema.overload_name}"
    written = tuple(
        i
        for i, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )
    base = schema.name.replace("::", ".")
    skip = base in _SKIPPED or not base.split(".")[0] or base.startswith(("prim.", "profiler."))
    reads = not _READING.isdisjoint(func.tags)
    return _Signature(name, written, skip, reads)
