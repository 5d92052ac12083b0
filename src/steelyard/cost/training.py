"""`training_memory`: bytes that one training step holds: weights, gradients, optimiser, saved activations.

What autograd keeps for the backward pass follows from which values a derivative needs; the table below
restates PyTorch's ``tools/autograd/derivatives.yaml`` (2.x) by kind of layer. Only a layer on a path
from a trained parameter keeps anything. A storage that several layers keep counts once; parameters and
buffers count as such, not as saved.

=============  ==========================================================================================
kind           kept
=============  ==========================================================================================
conv, linear   the input, and weights that are computed in the same pass (linear: only if the input
               needs a gradient)
matmul         each operand if the other one needs a gradient
attention      query, key, value, result (and a row sum per head, left out)
recurrent      input and result (work space inside is left out, so this is too low)
norm           the input and two statistics per channel (batch), channel and sample (instance) or row
               (layer); group normalisation: the input; local response normalisation, which PyTorch puts
               together from several operators: the input, its padded squares, the sum and its power
activation     the result: relu, sigmoid, tanh; a mask of one byte per element: dropout (the fused kernel of
               GPUs; the CPU's keeps a factor in the data's type); the input: all others, or
               where they run in place the result if it tells as much (leaky_relu, elu, celu, selu), a
               copy of the input if not (relu6, silu, hardswish ...)
softmax        the result
elementwise    nothing: add, sub, neg, sum of ...; each operand if another one needs a gradient: mul, div;
               the result: exp, sqrt, rsqrt, reciprocal; the condition: where, masked_fill; the
               input: all others
pool           max: the input and int64 indices of the result's shape; average: the input, but nothing
               when the result is 1 x 1 (a mean); unpooling: the indices
reduce         nothing: sum, mean; the input; and the result: std, norm, amax, amin, logsumexp, prod
embedding      the indices
resize         nothing; grid sampling: both inputs
copy           integer operands (the indices of gather and the like)
view, create,  nothing; fake quantisation: a mask of one byte per element
quantize,
transform
unknown        its inputs (assumed)
=============  ==========================================================================================

The batch-normalisation and dropout rows hold for training mode, also if the workload was captured in
evaluation mode. Gradients of activations and work space of operators come on top; they are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from steelyard._display import Printable
from steelyard.errors import UnknownNameError
from steelyard.workload import Layer, TensorSpec, Workload
from steelyard.workload.tensor import dtype_bits

OPTIMIZERS: dict[str, int] = {
    "sgd": 0,
    "momentum": 1,
    "nesterov": 1,
    "adagrad": 1,
    "rmsprop": 1,
    "lion": 1,
    "adadelta": 2,
    "adam": 2,
    "adamw": 2,
    "adamax": 2,
    "nadam": 2,
    "radam": 2,
    "amsgrad": 3,
}
"""State values that each optimiser keeps per parameter (step counters left out; ``amsgrad`` is Adam
with its maximum)."""

_RESULT = frozenset({"relu", "sigmoid", "tanh", "exp", "sqrt", "rsqrt", "reciprocal"})
_RESULT_IN_PLACE = frozenset({"leaky_relu", "elu", "celu", "selu"})
_NOTHING = frozenset(
    {"add", "sub", "rsub", "neg", "sum", "mean", "reducemean", "reducesum", "identity", "lerp",
     "sign", "round", "floor", "ceil", "eq", "ne", "lt", "le", "gt", "ge", "logical_not", "detach"}
)  # fmt: skip
_CHOICES = frozenset({"where", "masked_fill", "masked_select"})
_INPUT_AND_RESULT = frozenset(
    {"std", "norm", "linalg_vector_norm", "amax", "amin", "logsumexp", "prod"}
)
_PRODUCTS = frozenset({"mul", "div", "true_divide", "matmul", "bmm", "mm", "gemm"})


@dataclass(frozen=True, slots=True)
class SavedTensor(Printable):
    """What one layer keeps for the backward pass.

    Attributes:
        layer: name of the layer.
        kind: its kind.
        what: name of the tensor kept, or ``indices``, ``mask``, ``statistics``, ``copy``.
        nbytes: its size; 0 if an earlier layer keeps the same storage.
    """

    layer: str
    kind: str
    what: str
    nbytes: int


@dataclass(frozen=True, slots=True)
class TrainingMemory(Printable):
    """Memory of one training step.

    Attributes:
        optimizer: a key of `OPTIMIZERS`.
        parameter_bytes: all parameters, also those that no layer reads.
        buffer_bytes: all buffers.
        gradient_bytes: a gradient for each trained parameter that some layer reads.
        optimizer_bytes: state of the optimiser for those parameters.
        saved_bytes: activations kept from the forward to the backward pass.
        saved: the parts of ``saved_bytes``, in order of execution.
        assumed: layers on a path from a trained parameter whose kept tensors the rules do not know in
            full (recurrent and unknown ones); ``saved_bytes`` may be wrong by what they keep.
    """

    optimizer: str
    parameter_bytes: int
    buffer_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    saved_bytes: int
    saved: tuple[SavedTensor, ...]
    assumed: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        """The sum of all parts."""
        return (
            self.parameter_bytes
            + self.buffer_bytes
            + self.gradient_bytes
            + self.optimizer_bytes
            + self.saved_bytes
        )

    def saved_by_kind(self) -> dict[str, int]:
        """``saved_bytes`` by kind of layer; a storage counts for the first layer that keeps it."""
        kinds: dict[str, int] = {}
        for part in self.saved:
            kinds[part.kind] = kinds.get(part.kind, 0) + part.nbytes
        return kinds

    def to_dict(self) -> dict[str, object]:
        """The fields as plain data, ``saved`` summed by kind."""
        return {
            "optimizer": self.optimizer,
            "parameter_bytes": self.parameter_bytes,
            "buffer_bytes": self.buffer_bytes,
            "gradient_bytes": self.gradient_bytes,
            "optimizer_bytes": self.optimizer_bytes,
            "saved_bytes": self.saved_bytes,
            "total_bytes": self.total_bytes,
            "saved_by_kind": self.saved_by_kind(),
            "assumed": list(self.assumed),
        }


def training_memory(
    workload: Workload, optimizer: str = "sgd", *, state_dtype: str | None = None
) -> TrainingMemory:
    """Memory of one training step on the workload's batch (rules: see the module).

    Args:
        optimizer: a key of `OPTIMIZERS`.
        state_dtype: dtype of the optimiser's state; None: that of each parameter.

    Raises:
        UnknownNameError: no such optimizer.
        InputError: no such dtype.
    """
    if optimizer not in OPTIMIZERS:
        raise UnknownNameError(
            "optimizer", str(optimizer), OPTIMIZERS, hint="one of " + ", ".join(OPTIMIZERS)
        )
    used = workload.params_used
    trained = [t for t in workload.tensors if t.name in used and _differentiable(t)]
    state = 0
    for tensor in trained:
        bits = dtype_bits(state_dtype or tensor.dtype)
        state += OPTIMIZERS[optimizer] * ((tensor.numel * bits + 7) // 8)
    saved = saved_activations(workload)
    return TrainingMemory(
        optimizer=optimizer,
        parameter_bytes=sum(t.nbytes for t in workload.tensors if t.role == "parameter"),
        buffer_bytes=sum(t.nbytes for t in workload.tensors if t.role == "buffer"),
        gradient_bytes=sum(t.nbytes for t in trained),
        optimizer_bytes=state,
        saved_bytes=sum(part.nbytes for part in saved),
        saved=saved,
        assumed=tuple(dict.fromkeys(p.layer for p in saved if p.kind in ("recurrent", "unknown"))),
    )


def saved_activations(workload: Workload) -> tuple[SavedTensor, ...]:
    """What the layers keep for the backward pass, in order of execution (rules: see the module)."""
    tensors = {tensor.name: tensor for tensor in workload.tensors}
    gradient = {t.name for t in workload.tensors if t.role == "parameter" and _differentiable(t)}
    counted: set[str] = set()
    saved: list[SavedTensor] = []
    for layer in workload.layers:
        fresh = layer.kind == "create" or _base(layer) == "detach"  # no gradient flows through
        if fresh or gradient.isdisjoint((*layer.inputs, *layer.params)):
            continue
        outputs = [name for name in layer.outputs if _differentiable(tensors[name])]
        gradient.update(outputs)
        if not outputs:
            continue
        for name in dict.fromkeys(_kept_tensors(layer, tensors, gradient)):
            root = name
            while alias := tensors[root].alias_of:
                root = alias
            if tensors[root].role in ("input", "activation"):
                nbytes = 0 if root in counted else tensors[root].nbytes
                counted.add(root)
                saved.append(SavedTensor(layer.name, layer.kind, name, nbytes))
        saved += [
            SavedTensor(layer.name, layer.kind, what, nbytes)
            for what, nbytes in _kept_extras(layer, tensors)
        ]
    return tuple(saved)


def _differentiable(tensor: TensorSpec) -> bool:
    return tensor.dtype.startswith(("float", "bfloat", "complex"))


def _base(layer: Layer) -> str:
    """``aten.relu_.default`` and ``onnx.Relu`` -> ``relu``."""
    parts = layer.op.split(".")
    return (parts[1] if len(parts) > 1 else parts[0]).lower().rstrip("_")


def _kept_tensors(
    layer: Layer, tensors: dict[str, TensorSpec], gradient: set[str]
) -> Iterator[str]:
    base, kind = _base(layer), layer.kind
    if kind in ("view", "create", "quantize", "transform") or base in _NOTHING:
        return
    if kind == "softmax" or base in _RESULT:
        yield layer.outputs[0]
    elif base == "linear" and len(layer.inputs) > 1:  # weights computed in this pass
        yield from _operands(layer.inputs[:2], gradient)
    elif kind == "matmul" or base in _PRODUCTS:
        yield from _operands((*layer.inputs, *layer.params), gradient)
        if base in ("div", "true_divide") and len(layer.inputs) > 1:
            yield layer.inputs[1]
    elif kind == "activation" and layer.inplace:
        if base in _RESULT_IN_PLACE:
            yield layer.outputs[0]
    elif kind == "copy" or "unpool" in base or base in _CHOICES:
        yield from (name for name in layer.inputs if not _differentiable(tensors[name]))
    elif not _keeps_sizes_only(layer, tensors):
        yield from layer.inputs
        if kind in ("attention", "recurrent") or base in _INPUT_AND_RESULT:
            yield layer.outputs[0]


def _operands(factors: tuple[str, ...], gradient: set[str]) -> Iterator[str]:
    """Factors that the derivative of some other factor needs."""
    for i, name in enumerate(factors):
        if any(other in gradient for j, other in enumerate(factors) if j != i):
            yield name


def _keeps_sizes_only(layer: Layer, tensors: dict[str, TensorSpec]) -> bool:
    """Dropout (its mask apart), interpolation, and adaptive or global averages to one value."""
    base = _base(layer)
    if layer.kind == "pool" and ("adaptive" in base or "global" in base):
        return "max" not in base and prod(tensors[layer.outputs[0]].shape[2:]) == 1
    return "dropout" in base or (layer.kind == "resize" and "grid" not in base)


def _kept_extras(layer: Layer, tensors: dict[str, TensorSpec]) -> Iterator[tuple[str, int]]:
    """What is kept besides tensors of the workload: indices, masks, statistics, copies."""
    base, result = _base(layer), tensors[layer.outputs[0]]
    if layer.kind == "pool" and "max" in base and "unpool" not in base:
        yield "indices", 8 * result.numel
    elif "dropout" in base or base.startswith("fake_quantize"):
        yield "mask", result.numel
    elif layer.kind == "norm":
        if base in ("local_response_norm", "LRN") and len(result.shape) > 1:
            window = layer.ops // max(1, result.numel) - 4  # operations per element are 4 + window
            channels = result.shape[1]
            padded = result.nbytes * (channels + window - 1) // max(1, channels)
            yield "squares", padded + 2 * result.nbytes
        count = _statistics(base, result.shape, [tensors[n].numel for n in layer.params])
        if count:
            yield "statistics", count * (8 if result.dtype == "float64" else 4)
    elif (
        layer.kind == "activation"
        and layer.inplace
        and base not in _RESULT | _RESULT_IN_PLACE | _NOTHING
    ):
        yield "copy", result.nbytes


def _statistics(base: str, shape: tuple[int, ...], weights: list[int]) -> int:
    """Number of means and deviations that a normalisation keeps."""
    if base.startswith(("batch", "native_batch", "cudnn_batch", "_native_batch", "_batch")):
        return 2 * shape[1] if len(shape) > 1 else 0
    if base.startswith("instance"):
        return 2 * shape[0] * shape[1] if len(shape) > 1 else 0
    if base.startswith(("layer", "native_layer")) and weights and weights[0]:
        return 2 * (prod(shape) // weights[0])
    return 0
