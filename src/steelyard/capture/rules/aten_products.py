"""PyTorch's operators that multiply and accumulate: convolutions, matrix products, attention, recurrent layers."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from steelyard.capture.rules.formulas import (
    attention_nests,
    conv_nest,
    einsum_draft,
    elementwise,
    linear_nest,
    matmul_nest,
    product_draft,
    recurrent_nests,
    rules_for,
)
from steelyard.capture.rules.table import Call, Draft, Operand, Rule
from steelyard.errors import UsageError
from steelyard.workload import LoopNest

# ---- convolutions --------------------------------------------------------------------------------


def _conv(call: Call) -> Draft:
    """``conv1d/2d/3d(input, weight, bias, stride, padding, dilation, groups)``."""
    return _convolution(call, stride=3, padding=4, dilation=5, groups=6, transposed=False)


def _conv_transpose(call: Call) -> Draft:
    """``conv_transpose*(input, weight, bias, stride, padding, output_padding, groups, dilation)``."""
    return _convolution(call, stride=3, padding=4, dilation=7, groups=6, transposed=True)


def _any_convolution(call: Call) -> Draft:
    """``convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)``."""
    transposed = bool(call.get(6, "transposed", False))
    return _convolution(call, stride=3, padding=4, dilation=5, groups=8, transposed=transposed)


def _convolution(
    call: Call, *, stride: int, padding: int, dilation: int, groups: int, transposed: bool
) -> Draft:
    x, weight = call.operand(0, "input"), call.operand(1, "weight")
    rank = len(weight.shape) - 2
    unbatched = len(x.shape) == rank + 1  # PyTorch also takes a single image (C, H, W)
    shape = (1, *x.shape) if unbatched else x.shape
    out = (1, *call.outputs[0].shape) if unbatched else call.outputs[0].shape
    steps, dilations = (
        call.ints(stride, "stride", rank, 1),
        call.ints(dilation, "dilation", rank, 1),
    )
    nest = conv_nest(
        shape,
        weight.shape,
        out,
        stride=steps,
        padding=_padding(call, padding, shape, weight.shape, out, steps, dilations),
        dilation=dilations,
        groups=_int(call.get(groups, "groups", 1)),
        transposed=transposed,
    )
    return Draft("conv", (nest,))


def _padding(
    call: Call,
    index: int,
    x: tuple[int, ...],
    weight: tuple[int, ...],
    out: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> list[tuple[int, int]]:
    """(before, after) per axis; ``same`` and ``valid`` are resolved."""
    rank = len(weight) - 2
    value = call.get(index, "padding")
    if value == "same":
        totals = [dilation[i] * (weight[2 + i] - 1) for i in range(rank)]
        return [(total // 2, total - total // 2) for total in totals]
    if value == "valid":
        return [(0, 0)] * rank
    return [(p, p) for p in call.ints(index, "padding", rank, 0)]


def _int(value: object) -> int:
    if isinstance(value, int):
        return value
    raise UsageError(f"{value!r} is not an integer")


def _deform_conv(call: Call) -> Draft:
    """``torchvision.deform_conv2d(input, weight, offset, mask, bias, strides, pads, dilations, groups, ...)``.

    Bilinear sampling of each tap: four products and three additions (Dai et al. 2017, eq. 3).
    """
    x, weight, out = call.operand(0), call.operand(1), call.outputs[0]
    pair = [_int(call.get(i, "", 1)) for i in range(5, 12)]
    nest = conv_nest(
        x.shape, weight.shape, out.shape, stride=pair[0:2], padding=[(p, p) for p in pair[2:4]],
        dilation=pair[4:6], groups=pair[6],
    )  # fmt: skip
    return Draft(
        "conv",
        (nest,),
        ops=7 * x.shape[0] * x.shape[1] * prod(out.shape[2:]) * prod(weight.shape[2:]),
    )


def _conv_tbc(call: Call) -> Draft:
    """``conv_tbc(x (T, B, C), weight (S, C, M), bias, pad)``: a 1-d convolution, time outermost."""
    (time, batch, channels), (taps, _, filters) = call.operand(0).shape, call.operand(1).shape
    pad = _int(call.get(3, "pad", 0))
    nest = conv_nest(
        (batch, channels, time), (filters, channels, taps), (batch, filters, call.outputs[0].shape[0]),
        stride=(1,), padding=[(pad, pad)], dilation=(1,), groups=1,
    )  # fmt: skip
    return Draft("conv", (nest,))


def _quantized_conv(call: Call) -> Draft:
    """``quantized.conv2d(x, packed_params, ...)``: packed parameters come as (weight, stride, padding, dilation, groups)."""
    packed = call.get(1, "packed_weight")
    x, out = call.operand(0), call.outputs[0]
    if not (isinstance(packed, tuple) and packed and isinstance(packed[0], Operand)):
        raise UsageError(f"operator {call.op}: the packed weight cannot be read")
    weight, stride, padding, dilation, groups = packed
    nest = conv_nest(
        x.shape, weight.shape, out.shape, stride=stride, padding=[(p, p) for p in padding],
        dilation=dilation, groups=groups,
    )  # fmt: skip
    return Draft("conv", (nest,))


# ---- matrix products -----------------------------------------------------------------------------


def _linear(call: Call) -> Draft:
    """``linear(x, weight (M, C), bias)``."""
    x, weight = call.operand(0, "input"), call.operand(1, "weight")
    out = weight.shape[0] if len(weight.shape) > 1 else 1
    return Draft("linear", (linear_nest(x.shape, out),))


def _packed_linear(call: Call) -> Draft:
    """``quantized.linear*(x, packed weight, ...)``: sizes from input and output."""
    return Draft("linear", (linear_nest(call.operand(0).shape, call.outputs[0].shape[-1]),))


def _product(a: int, b: int) -> Rule:
    """A rule for a matrix product of the operands at these positions."""

    def rule(call: Call) -> Draft:
        left, right = call.operand(a), call.operand(b)
        return product_draft(left.shape, right.shape, weights=right.is_param or left.is_param)

    return rule


def _addbmm(call: Call) -> Draft:
    a, b = call.operand(1), call.operand(2)
    return Draft("matmul", (matmul_nest(a.shape, b.shape),))


def _inner(call: Call) -> Draft:
    a, b = call.operand(0).shape, call.operand(1).shape
    if not a or not b:
        return Draft("elementwise", ops=call.out_elements)
    return Draft("matmul", (LoopNest.linear(prod(a[:-1]), a[-1], prod(b[:-1])),))


def _tensordot(call: Call) -> Draft:
    a = call.operand(0)
    dims = call.get(2, "dims_self", ())
    axes = dims if isinstance(dims, (list, tuple)) else ()
    inner = prod(a.shape[_int(i)] for i in axes)
    rows = prod(a.shape) // inner if inner else 0
    columns = call.out_elements // rows if rows else 0
    return Draft("matmul", (LoopNest.linear(rows, inner, columns),))


def _operands(value: object) -> list[Operand]:
    items = value if isinstance(value, Iterable) else ()
    return [item for item in items if isinstance(item, Operand)]


def _einsum(call: Call) -> Draft:
    operands = _operands(call.get(1, "tensors", ()))
    weights = len(operands) == 2 and any(o.is_param for o in operands)
    return einsum_draft(str(call.args[0]), [o.shape for o in operands], weights=weights)


def _chain(call: Call) -> Draft:
    """``linalg_multi_dot``: the cheapest order of the products (Cormen et al., ch. 15.2)."""
    shapes = [o.shape for o in _operands(call.get(0, "tensors", ()))]
    if not shapes:
        return Draft("matmul")
    if len(shapes) > 50:  # the search below takes the cube of their number
        raise UsageError(f"operator {call.op}: a chain of {len(shapes)} matrices", expected="50")
    first, last = shapes[0], shapes[-1]
    sizes = [
        1 if len(first) == 1 else first[0],
        *(s[-2] if len(s) > 1 else s[0] for s in shapes[1:]),
    ]
    sizes = [sizes[0], *sizes[1:], 1 if len(last) == 1 else last[-1]]
    best: dict[tuple[int, int], tuple[int, tuple[LoopNest, ...]]] = {}
    for i in range(len(shapes)):
        best[i, i] = (0, ())
    for span in range(1, len(shapes)):
        for i in range(len(shapes) - span):
            j = i + span
            choices = []
            for k in range(i, j):
                nest = LoopNest.linear(sizes[i], sizes[k + 1], sizes[j + 1])
                left, right = best[i, k], best[k + 1, j]
                choices.append((left[0] + right[0] + nest.macs, (*left[1], *right[1], nest)))
            best[i, j] = min(choices, key=lambda choice: choice[0])
    return Draft("matmul", best[0, len(shapes) - 1][1])


def _bilinear(call: Call) -> Draft:
    """``y_k = x1^T A_k x2``: x1 A_k for every k, then a product with x2: rows M I1 I2 + rows M I2 MACs."""
    x1, weight = call.operand(0).shape, call.operand(2).shape
    return _bilinear_draft(prod(x1[:-1]), *weight)


def _trilinear(call: Call) -> Draft:
    """What ``bilinear`` turns into: x1 (rows, 1, I1, 1) and weight (1, M, I1, I2), as F.bilinear calls it."""
    out = call.outputs[0].shape
    weight = max((o.shape for o in _operands(call.args[:3])), key=prod)
    sizes = [size for size in weight if size > 1]
    inner = prod(sizes) // (out[-1] if out and out[-1] in sizes else 1)
    x1 = call.operand(0).shape[-1]
    return _bilinear_draft(prod(out[:-1]), out[-1], x1, inner // x1 if x1 else 0)


def _bilinear_draft(rows: int, m: int, i1: int, i2: int) -> Draft:
    return Draft("linear", (LoopNest.linear(rows, i1, m * i2), LoopNest.matmul(rows * m, 1, i2, 1)))


def _attention(call: Call) -> Draft:
    """``scaled_dot_product_attention(q, k, v, ...)`` and its fused forms; softmax is 5 per score."""
    q, k, v = (call.operand(i).shape for i in range(3))
    scores = prod(q[:-1]) * k[-2]
    return Draft("attention", attention_nests(q, k, v), ops=5 * scores)


def _cdist(call: Call) -> Draft:
    a, b = call.operand(0).shape, call.operand(1).shape
    return Draft("reduce", ops=3 * prod(a) * b[-2])


# ---- recurrent -----------------------------------------------------------------------------------


def _recurrent(gates: int) -> Rule:
    """``lstm/gru/rnn(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)``."""

    def rule(call: Call) -> Draft:
        # packed sequences: (data, batch_sizes, hx, params, ...), one argument more
        shift = 1 if isinstance(call.get(3, ""), (list, tuple)) else 0
        x = call.operand(0, "input").shape
        weights = [o.shape for o in _operands(call.get(2 + shift, "params", ()))]
        if len(weights) < 2:
            raise UsageError(f"operator {call.op}: no weights given")
        hidden = weights[0][0] // gates
        state = weights[1][-1]
        tokens = prod(x[:-1])
        layers = _int(call.get(4 + shift, "num_layers", 1))
        if layers > len(weights) // 2:  # each layer has at least W_ih and W_hh
            raise UsageError(f"operator {call.op}: {layers} layers and {len(weights)} weights")
        nests = recurrent_nests(
            gates, steps=tokens, batch=1, input_size=x[-1], hidden_size=hidden, layers=layers,
            directions=2 if call.get(7 + shift, "bidirectional", False) else 1,
            projection=state if state != hidden else 0,
        )  # fmt: skip
        return Draft("recurrent", nests, ops=sum(nest.output_elements for nest in nests))

    return rule


def _recurrent_cell(gates: int) -> Rule:
    """``*_cell(input, hx, w_ih, w_hh, ...)``."""

    def rule(call: Call) -> Draft:
        x, w_ih = call.operand(0).shape, call.operand(2).shape
        nests = recurrent_nests(
            gates, steps=1, batch=prod(x[:-1]), input_size=x[-1], hidden_size=w_ih[0] // gates
        )
        return Draft("recurrent", nests, ops=sum(nest.output_elements for nest in nests))

    return rule


# ---- the tables ----

PRODUCTS: dict[str, Rule] = {
    "aten.linear": _linear,
    "aten._addmm_activation": _product(1, 2),
    "aten.addmm": _product(1, 2),
    "aten.addmm_": _product(1, 2),
    "aten.addmv": _product(1, 2),
    "aten.addmv_": _product(1, 2),
    "aten.addbmm": _addbmm,
    "aten.addbmm_": _addbmm,
    "aten.baddbmm": _product(1, 2),
    "aten.baddbmm_": _product(1, 2),
    "aten.addr": elementwise("elementwise", 2),
    "aten.addr_": elementwise("elementwise", 2),
    "aten.inner": _inner,
    "aten.tensordot": _tensordot,
    "aten.einsum": _einsum,
    "aten.linalg_multi_dot": _chain,
    "aten.chain_matmul": _chain,
    "aten.bilinear": _bilinear,
    "aten._trilinear": _trilinear,
    "aten.cdist": _cdist,
    "aten._cdist_forward": _cdist,
    "aten._euclidean_dist": _cdist,
    "aten.lstm": _recurrent(4),
    "aten.gru": _recurrent(3),
    "aten.rnn_tanh": _recurrent(1),
    "aten.rnn_relu": _recurrent(1),
    "aten.lstm_cell": _recurrent_cell(4),
    "aten.gru_cell": _recurrent_cell(3),
    "aten.rnn_tanh_cell": _recurrent_cell(1),
    "aten.rnn_relu_cell": _recurrent_cell(1),
    "quantized.linear": _packed_linear,
    "quantized.linear_relu": _packed_linear,
    "quantized.linear_dynamic": _packed_linear,
    "quantized.linear_relu_dynamic": _packed_linear,
    "quantized.linear_dynamic_fp16": _packed_linear,
} | rules_for("mm matmul bmm mv dot vdot linalg_matmul linalg_vecdot _int_mm _scaled_mm", _product(0, 1)) | rules_for(
    "scaled_dot_product_attention _scaled_dot_product_flash_attention "
    "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_efficient_attention "
    "_scaled_dot_product_cudnn_attention _scaled_dot_product_attention_math "
    "_scaled_dot_product_attention_math_for_mps _scaled_dot_product_fused_attention_overrideable",
    _attention,
)  # fmt: skip

CONVOLUTIONS: dict[str, Rule] = (
    rules_for("conv1d conv2d conv3d", _conv)
    | rules_for("conv_transpose1d conv_transpose2d conv_transpose3d", _conv_transpose)
    | rules_for(
        "convolution _convolution convolution_overrideable cudnn_convolution", _any_convolution
    )
    | {"aten.conv_tbc": _conv_tbc}
    | rules_for("deform_conv2d", _deform_conv, "torchvision")
    | rules_for(
        "conv1d conv2d conv3d conv1d_relu conv2d_relu conv3d_relu", _quantized_conv, "quantized"
    )
    | rules_for("conv1d_dynamic conv2d_dynamic conv3d_dynamic", _quantized_conv, "quantized")
)
