"""`Layer`: one operator that a network executed, with its loops, counts and tensors."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.workload.loopnest import LoopNest

KINDS: dict[str, str] = {
    # those that multiply and accumulate
    "conv": "convolution, transposed convolution",
    "linear": "matrix product with weights",
    "matmul": "matrix product of two activations",
    "attention": "fused scaled-dot-product attention",
    "recurrent": "RNN, LSTM, GRU",
    # those that hardly do
    "norm": "batch, layer, group, instance and local response normalisation",
    "activation": "element-wise non-linearity",
    "elementwise": "other element-wise arithmetic",
    "softmax": "softmax and log-softmax",
    "pool": "max and average pooling, global pooling, unpooling",
    "reduce": "sum, mean, max, norm ... over some axes",
    "resize": "interpolation, grid sampling",
    "embedding": "table look-up",
    "quantize": "change between real and quantised values",
    "transform": "FFT and other transforms counted as element operations",
    # those that only move data
    "copy": "concatenation, padding, gather, roll, layout change that writes a new tensor",
    "view": "reshape, slice, permute and other ways of looking at the same storage: free",
    "create": "tensors made from nothing: zeros, arange, random numbers",
    # what no rule knows
    "unknown": "no rule knows this operator: it is named in the coverage, its arithmetic counted nowhere",
}
"""The kinds of layer and what each holds."""

MAC_KINDS = frozenset({"conv", "linear", "matmul", "attention", "recurrent"})
"""Kinds that multiply and accumulate."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One executed operator.

    Attributes:
        name: unique within the workload, e.g. ``layer1.0.conv1``; a second call of the same module
            gets ``layer1.0.conv1#2``; a functional call is named after its module and operator,
            e.g. ``layer1.0.add``.
        kind: a key of `KINDS`.
        op: the operator as its source names it: ``aten.conv2d``, ``onnx.Conv``.
        module: path of the module that called it, "" at the top.
        module_type: class name of that module ("" where the source does not say).
        inputs: names of the activations read, in order (an operand used twice appears twice).
        outputs: names of the tensors written.
        params: names of the parameters and buffers read.
        nests: the multiply-accumulate loops, usually one; several for attention and recurrent layers.
        ops: element operations that are not multiply-accumulates (comparisons, additions, exp ...).
        inplace: the result overwrites the first input's storage.
    """

    name: str
    kind: str
    op: str
    module: str = ""
    module_type: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    nests: tuple[LoopNest, ...] = ()
    ops: int = 0
    inplace: bool = False

    @property
    def nest(self) -> LoopNest | None:
        """The loop nest of a layer that has exactly one, else None."""
        return self.nests[0] if len(self.nests) == 1 else None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all its nests."""
        return sum(nest.macs for nest in self.nests)
