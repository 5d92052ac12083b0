"""ONNX operators that multiply and accumulate: convolutions, matrix products, recurrent layers, attention."""

from __future__ import annotations

from math import prod

from steelyard.capture.rules.formulas import (
    ELEMENT_OPS,
    attention_nests,
    conv_nest,
    einsum_draft,
    matmul_nest,
    recurrent_nests,
)
from steelyard.capture.rules.onnx_window import transposed_window, window
from steelyard.capture.rules.table import Call, Draft, Operand, Rule
from steelyard.errors import ShapeError
from steelyard.workload import LoopNest

Shape = tuple[int, ...]


def _int(call: Call, name: str, default: int) -> int:
    value = call.kwargs.get(name)
    return value if isinstance(value, int) else default


# ---- convolutions --------------------------------------------------------------------------------


def _conv(weight: int) -> Rule:
    """A convolution whose filters are input ``weight``."""

    def rule(call: Call) -> Draft:
        return Draft("conv", (_conv_nest(call, weight),))

    return rule


def _conv_nest(call: Call, weight: int) -> LoopNest:
    x, filters = call.operand(0).shape, call.operand(weight).shape
    geometry = window(x[2:], filters[2:], call.kwargs)
    return conv_nest(
        x,
        filters,
        call.outputs[0].shape,
        stride=geometry.stride,
        padding=geometry.pads,
        dilation=geometry.dilation,
        groups=_int(call, "group", 1),
    )


def _conv_transpose(call: Call) -> Draft:
    x, filters = call.operand(0).shape, call.operand(1).shape
    geometry = transposed_window(x[2:], filters[2:], call.kwargs)
    nest = conv_nest(
        x,
        filters,
        call.outputs[0].shape,
        stride=geometry.stride,
        padding=geometry.pads,
        dilation=geometry.dilation,
        groups=_int(call, "group", 1),
        transposed=True,
    )
    return Draft("conv", (nest,))


def _fused_conv(call: Call) -> Draft:
    """com.microsoft ``FusedConv``: with an addition (input 3) and an activation."""
    ops = call.out_elements if len(call.args) > 3 and call.args[3] is not None else 0
    names = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "LeakyRelu": "leaky_relu",
             "Clip": "hardtanh", "HardSigmoid": "hardsigmoid"}  # fmt: skip
    name = names.get(str(call.kwargs.get("activation")))
    ops += ELEMENT_OPS[name] * call.out_elements if name else 0
    return Draft("conv", (_conv_nest(call, 1),), ops)


def _deform_conv(call: Call) -> Draft:
    """``DeformConv``: bilinear sampling of each tap adds 7 operations (Dai et al. 2017, eq. 3)."""
    nest = _conv_nest(call, 1)
    taps = call.operand(0).shape[1] * prod(nest.out) * prod(nest.kernel)
    return Draft("conv", (nest,), ops=7 * nest.N * taps)


def _causal_conv(call: Call) -> Draft:
    """``CausalConvWithState``: depthwise, k taps for every position."""
    x, taps = call.operand(0).shape, call.operand(1).shape[2]
    nest = LoopNest(
        N=x[0], G=max(x[1], 1), M=x[1], C=x[1], out=(x[2],), kernel=(taps,), input=(x[2],),
        padding=((max(taps - 1, 0), 0),),
    )  # fmt: skip
    active = call.kwargs.get("activation") in ("silu", "swish")
    return Draft("conv", (nest,), ops=ELEMENT_OPS["silu"] * call.out_elements if active else 0)


# ---- matrix products -----------------------------------------------------------------------------


def _matmul(b: int = 1) -> Rule:
    """``MatMul`` of input 0 and input ``b``; ``linear`` where one of them is stored in the file."""

    def rule(call: Call) -> Draft:
        left, right = call.operand(0), call.operand(b)
        x, y = left.shape, right.shape
        x = (*x[:-2], *x[:-3:-1]) if call.kwargs.get("transA") else x
        y = (*y[:-2], *y[:-3:-1]) if call.kwargs.get("transB") else y
        stored = left.is_param or right.is_param
        return Draft("linear" if stored else "matmul", (matmul_nest(x, y),))

    return rule


def _matmul_nbits(call: Call) -> Draft:
    x = call.operand(0).shape
    return Draft("linear", (LoopNest.linear(prod(x[:-1]), x[-1], _int(call, "N", 0)),))


def _linear_model(call: Call) -> Draft:
    """ai.onnx.ml ``LinearRegressor``, ``LinearClassifier``: the weights are attributes."""
    x, out = call.operand(0).shape, call.outputs[-1].shape
    return Draft("linear", (LoopNest.linear(prod(x[:-1]), x[-1] if x else 1, out[-1]),))


def _einsum(call: Call) -> Draft:
    operands = [a for a in call.args if isinstance(a, Operand)]
    weights = len(operands) == 2 and any(o.is_param for o in operands)
    equation = str(call.kwargs.get("equation", ""))
    return einsum_draft(equation, [o.shape for o in operands], weights=weights)


# ---- recurrent -----------------------------------------------------------------------------------


def _recurrent(gates: int) -> Rule:
    """``RNN``, ``GRU``, ``LSTM``: x (steps, batch, features), r (directions, gates hidden, hidden)."""

    def rule(call: Call) -> Draft:
        x, r = call.operand(0).shape, call.operand(2).shape
        if len(x) != 3 or len(r) != 3:
            raise ShapeError(f"a recurrent layer of input {x} with weights {r}")
        nests = recurrent_nests(
            gates,
            steps=x[0] * x[1],
            batch=1,
            input_size=x[2],
            hidden_size=r[2],
            directions=r[0],
        )
        return Draft("recurrent", nests, ops=sum(nest.output_elements for nest in nests))

    return rule


# ---- attention -----------------------------------------------------------------------------------


def _attention_draft(batch: int, rows: int, keys: int, size: int, value: int) -> Draft:
    """``batch`` heads of (rows, size) queries on ``keys`` keys and values; softmax is 5 per score."""
    nests = attention_nests((batch, rows, size), (batch, keys, size), (batch, keys, value))
    return Draft("attention", nests, ops=ELEMENT_OPS["softmax"] * batch * rows * keys)


def _heads(shape: Shape, heads: int) -> Shape:
    """(batch, heads, length, size)."""
    if len(shape) == 4:
        return shape
    if heads < 1 or len(shape) != 3:
        raise ShapeError(f"{heads} heads in a tensor of shape {shape}")
    return (shape[0], heads, shape[1], shape[2] // heads)


def _attention(call: Call) -> Draft:
    """``Attention`` (opset 23): 3-d or 4-d operands, cached keys and values in front."""
    shared = _int(call, "kv_num_heads", 0)
    q = _heads(call.operand(0).shape, _int(call, "q_num_heads", 0))
    k, v = _heads(call.operand(1).shape, shared), _heads(call.operand(2).shape, shared)
    past = call.get(4, "")
    keys = k[2] + (past.shape[2] if isinstance(past, Operand) and len(past.shape) == 4 else 0)
    return _attention_draft(q[0] * q[1], q[2], keys, q[3], v[3])


def _linear_attention(call: Call) -> Draft:
    """``LinearAttention``: for every token and head k v^T into the state and q^T S out of it.

    The delta rules read the state once more, S^T k (Yang et al. 2024, eq. 3).
    """
    q, k, v = (call.operand(i).shape for i in range(3))
    heads, shared = _int(call, "q_num_heads", 1), _int(call, "kv_num_heads", 1)
    size, value = k[2] // max(shared, 1), v[2] // max(shared, 1)
    tokens = q[0] * q[1]
    nests = [LoopNest.matmul(tokens * shared, size, 1, value)]
    if "delta" in str(call.kwargs.get("update_rule", "gated_delta")):
        nests.append(LoopNest.matmul(tokens * shared, 1, size, value))
    nests.append(LoopNest.matmul(tokens * heads, 1, size, value))
    return Draft("attention", tuple(nests))


def _multi_head(call: Call) -> Draft:
    """com.microsoft ``MultiHeadAttention``: (batch, length, features), or packed in 5-d."""
    heads = max(_int(call, "num_heads", 1), 1)
    q = call.operand(0).shape
    if len(q) == 5:  # batch, length, heads, 3, size
        return _attention_draft(q[0] * q[2], q[1], q[1], q[4], q[4])
    size = q[2] // heads
    if not (len(call.args) > 2 and isinstance(call.args[2], Operand)):
        packed = call.get(1, "")
        keys = packed.shape[1] if isinstance(packed, Operand) else q[1]
        return _attention_draft(q[0] * heads, q[1], keys, size, size)
    v = call.operand(2).shape
    keys, value = (v[2], v[3]) if len(v) == 4 else (v[1], v[2] // heads)
    return _attention_draft(q[0] * heads, q[1], keys, size, value)


def _packed_attention(call: Call) -> Draft:
    """com.microsoft ``Attention``: the projection of x by (features, 3 hidden), then attention."""
    x, weight = call.operand(0).shape, call.operand(1).shape
    heads = max(_int(call, "num_heads", 1), 1)
    hidden = weight[1] // 3
    projection = LoopNest.linear(x[0] * x[1], x[2], weight[1])
    inner = _attention_draft(x[0] * heads, x[1], x[1], hidden // heads, hidden // heads)
    return Draft("attention", (projection, *inner.nests), inner.ops)


def _group_query(call: Call) -> Draft:
    """com.microsoft ``GroupQueryAttention``: as many keys as the updated cache holds."""
    q, y = call.operand(0).shape, call.outputs[0].shape
    heads = max(_int(call, "num_heads", 1), 1)
    size = y[2] // heads
    keys = call.outputs[1].shape[2] if len(call.outputs) > 1 else q[1]
    return _attention_draft(q[0] * heads, q[1], keys, size, size)


PRODUCT_RULES: dict[str, Rule] = {
    "onnx.Conv": _conv(1),
    "onnx.ConvInteger": _conv(1),
    "onnx.QLinearConv": _conv(3),
    "onnx.ConvTranspose": _conv_transpose,
    "onnx.DeformConv": _deform_conv,
    "onnx.CausalConvWithState": _causal_conv,
    "onnx.Gemm": _matmul(),
    "onnx.MatMul": _matmul(),
    "onnx.MatMulInteger": _matmul(),
    "onnx.QLinearMatMul": _matmul(3),
    "onnx.Einsum": _einsum,
    "onnx.RNN": _recurrent(1),
    "onnx.GRU": _recurrent(3),
    "onnx.LSTM": _recurrent(4),
    "onnx.Attention": _attention,
    "onnx.LinearAttention": _linear_attention,
    "ai.onnx.preview.FlexAttention": _attention,
    "com.microsoft.FusedConv": _fused_conv,
    "com.microsoft.FusedGemm": _matmul(),
    "com.microsoft.FusedMatMul": _matmul(),
    "com.microsoft.TransposeMatMul": _matmul(),
    "com.microsoft.MatMulInteger16": _matmul(),
    "com.microsoft.MatMulIntegerToFloat": _matmul(),
    "com.microsoft.DynamicQuantizeMatMul": _matmul(),
    "com.microsoft.MatMulNBits": _matmul_nbits,
    "com.microsoft.MultiHeadAttention": _multi_head,
    "com.microsoft.Attention": _packed_attention,
    "com.microsoft.QAttention": _packed_attention,
    "com.microsoft.GroupQueryAttention": _group_query,
    "ai.onnx.ml.LinearClassifier": _linear_model,
    "ai.onnx.ml.LinearRegressor": _linear_model,
}
"""Rules of the operators whose loops are counted."""
