"""PyTorch's operators: which kind of layer each is, and its loops and operations.

Names are those of the dispatcher (``aten.convolution``) and of torch.export's graphs (``aten.conv2d``);
arguments follow the operators' schemas. Overloads are told apart only where they differ in kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from steelyard.capture.rules.formulas import (
    ELEMENT_OPS,
    attention_nests,
    conv_nest,
    einsum_draft,
    elementwise,
    free,
    linear_nest,
    matmul_nest,
    per_input,
    pool_ops,
    product_nest,
    recurrent_nests,
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
    steps, dilations = call.ints(stride, "stride", rank, 1), call.ints(dilation, "dilation", rank, 1)
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
    return Draft("conv", (nest,), ops=7 * x.shape[0] * x.shape[1] * prod(out.shape[2:]) * prod(weight.shape[2:]))


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
        return product_nest(
            call, left.shape, right.shape, weights=right.is_param or left.is_param
        )

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
    first, last = shapes[0], shapes[-1]
    sizes = [1 if len(first) == 1 else first[0], *(s[-2] if len(s) > 1 else s[0] for s in shapes[1:])]
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
        nests = recurrent_nests(
            gates, steps=tokens, batch=1, input_size=x[-1], hidden_size=hidden,
            layers=_int(call.get(4 + shift, "num_layers", 1)),
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


# ---- everything that hardly multiplies -----------------------------------------------------------


def _pool(call: Call) -> Draft:
    """``*_pool*d(x, kernel_size, ...)``."""
    rank = len(call.outputs[0].shape) - 2
    if rank < 1:
        return Draft("pool", ops=prod(call.operand(0).shape))
    return Draft("pool", ops=pool_ops(call.ints(1, "kernel_size", rank, 1), call.out_elements))


def _batch_norm(call: Call) -> Draft:
    """``batch_norm(x, w, b, mean, var, training, ...)``: its own statistics in training only."""
    per = ELEMENT_OPS["norm" if call.get(5, "training", False) else "batch_norm"]
    return Draft("norm", ops=per * prod(call.operand(0).shape))


def _batch_norm_legit(call: Call) -> Draft:
    """``_native_batch_norm_legit(x, w, b, mean, var, training, ...)``; the no_stats form always trains."""
    training = call.get(5, "training", True) if "no_stats" not in call.op else True
    per = ELEMENT_OPS["norm" if training else "batch_norm"]
    return Draft("norm", ops=per * prod(call.operand(0).shape))


def _conversion(call: Call) -> Draft:
    """``to``/``_to_copy``: free where nothing changes, else a copy."""
    if call.args and isinstance(call.args[0], Operand):
        x, out = call.args[0], call.outputs[0]
        if call.op.endswith((".to", "to.dtype", "to.dtype_layout", "to.device")) and x.dtype == out.dtype:
            return Draft("view")
    return Draft("copy")


def _dropout(call: Call) -> Draft:
    """``dropout(x, p, train)``: mask and scale in training, nothing otherwise."""
    train = bool(call.get(2, "train", False)) and call.get(1, "p", 0.0) != 0
    return Draft("elementwise", ops=2 * call.out_elements) if train else Draft("view")


def _upsample(call: Call) -> Draft:
    """Interpolation: taps per output element by the operator's name."""
    taps = {"nearest": 0, "bicubic": 16, "bilinear": 4, "trilinear": 8, "linear": 2}
    per = next((count for word, count in taps.items() if word in call.op), 4)
    return Draft("resize", ops=2 * per * call.out_elements)


def _table(names: str, rule: Rule, namespace: str = "aten") -> dict[str, Rule]:
    return {f"{namespace}.{name}": rule for name in names.split()}


def _with_inplace(rules: dict[str, Rule]) -> dict[str, Rule]:
    return rules | {f"{name}_": rule for name, rule in rules.items()}


_ACTIVATIONS = _with_inplace(
    {
        f"aten.{name}": elementwise("activation", ELEMENT_OPS[name])
        for name in (
            "relu relu6 hardtanh leaky_relu rrelu threshold sigmoid hardsigmoid hardswish "
            "silu gelu mish softplus tanh hardshrink softshrink elu celu selu glu"
        ).split()
    }
) | {
    "aten.prelu": elementwise("activation", 2),
    "aten._prelu_kernel": elementwise("activation", 2),
    "aten.log_sigmoid": elementwise("activation", 4),
    "aten.log_sigmoid_forward": elementwise("activation", 4),
    "aten.rrelu_with_noise": elementwise("activation", 2),
    "aten.rrelu_with_noise_functional": elementwise("activation", 2),
}

_ARITHMETIC = _with_inplace(
    _table(
        "add sub rsub mul div true_divide divide multiply subtract floor_divide remainder fmod neg "
        "negative abs absolute pow float_power square sqrt rsqrt reciprocal exp exp2 expm1 log log2 "
        "log10 log1p sin cos tan asin acos atan sinh cosh asinh acosh atanh atan2 arctan2 erf erfc "
        "erfinv lgamma digamma sign sgn floor ceil round trunc frac clamp clip clamp_min clamp_max "
        "eq ne lt le gt ge logical_and logical_or logical_not logical_xor bitwise_and bitwise_or "
        "bitwise_not bitwise_xor bitwise_left_shift bitwise_right_shift __and__ __or__ __xor__ "
        "__lshift__ __rshift__ lerp addcmul addcdiv hypot nan_to_num copysign heaviside xlogy "
        "masked_fill logit sinc i0 polygamma mvlgamma nextafter deg2rad rad2deg gcd lcm ldexp",
        elementwise("elementwise"),
    )
) | _table(
    "where maximum minimum max.other min.other fmax fmin isnan isinf isfinite isposinf isneginf "
    "signbit logaddexp logaddexp2 outer ger kron cross linalg_cross complex polar angle conj_physical "
    "special_expit special_erf special_entr special_xlog1py special_i0e special_ndtr isclose "
    "isin bucketize searchsorted threshold_backward dist hspmm",
    elementwise("elementwise"),
)  # fmt: skip

_NORMS = {
    "aten.batch_norm": _batch_norm,
    "aten.native_batch_norm": _batch_norm,
    "aten.cudnn_batch_norm": _batch_norm,
    "aten._native_batch_norm_legit": _batch_norm_legit,
    "aten._native_batch_norm_legit_functional": _batch_norm_legit,
    "aten._batch_norm_with_update": per_input("norm", ELEMENT_OPS["norm"]),
    "aten._batch_norm_with_update_functional": per_input("norm", ELEMENT_OPS["norm"]),
    "aten._batch_norm_no_update": per_input("norm", ELEMENT_OPS["batch_norm"]),
    "aten._native_batch_norm_legit_no_training": per_input("norm", ELEMENT_OPS["batch_norm"]),
    "aten.batch_norm_elemt": per_input("norm", ELEMENT_OPS["batch_norm"]),
} | _table(
    "layer_norm native_layer_norm group_norm native_group_norm instance_norm rms_norm _fused_rms_norm "
    "batch_norm_stats weight_norm _weight_norm _weight_norm_interface renorm",
    per_input("norm", ELEMENT_OPS["norm"]),
)

_POOLS = _table(
    "max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices "
    "max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d lp_pool1d lp_pool2d quantized_max_pool2d "
    "mkldnn_max_pool2d mkldnn_max_pool3d",
    _pool,
) | _table(
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d "
    "_adaptive_avg_pool3d mkldnn_adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d "
    "adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d",
    per_input("pool"),
) | _table("max_unpool2d max_unpool3d", free("pool"))

_REDUCTIONS = _table(
    "sum mean prod max min amax amin aminmax argmax argmin any all nansum nanmean std var std_mean "
    "var_mean norm linalg_norm linalg_vector_norm linalg_matrix_norm logsumexp cumsum cumprod cummax "
    "cummin logcumsumexp _cummax_helper _cummin_helper median nanmedian mode kthvalue quantile "
    "nanquantile count_nonzero trace bincount histc histogram unique _unique _unique2 unique_dim "
    "unique_consecutive sort argsort topk msort equal allclose cosine_similarity pairwise_distance "
    "mse_loss l1_loss smooth_l1_loss huber_loss nll_loss nll_loss_forward nll_loss2d nll_loss2d_forward "
    "cross_entropy_loss kl_div binary_cross_entropy binary_cross_entropy_with_logits nonzero "
    "scatter_reduce segment_reduce index_reduce linalg_det linalg_inv linalg_inv_ex linalg_solve "
    "linalg_svd _linalg_svd linalg_qr linalg_eigh _linalg_eigh linalg_cholesky linalg_cholesky_ex "
    "cholesky_inverse triangular_solve linalg_solve_triangular linalg_pinv linalg_lu "
    "linalg_slogdet _linalg_slogdet _linalg_det _linalg_solve_ex linalg_lu_factor_ex",
    per_input("reduce"),
) | {"aten.cdist": _cdist, "aten._cdist_forward": _cdist, "aten._euclidean_dist": _cdist}

_VIEWS = _table(
    "view reshape flatten unflatten squeeze squeeze_ unsqueeze unsqueeze_ permute transpose transpose_ "
    "t t_ numpy_T mT mH H swapaxes swapdims movedim moveaxis expand expand_as view_as reshape_as "
    "broadcast_to slice select narrow split split_with_sizes tensor_split chunk unbind hsplit vsplit "
    "dsplit diagonal detach detach_ alias unfold as_strided as_strided_ _reshape_alias _unsafe_view "
    "real imag view_as_real view_as_complex conj _conj resolve_conj resolve_neg _neg_view lift_fresh "
    "lift positive ravel atleast_1d atleast_2d atleast_3d identity requires_grad_ squeeze_copy "
    "view_copy unsafe_split unsafe_chunk unsafe_split_with_sizes broadcast_tensors meshgrid "
    "pin_memory adjoint data set_ swapaxes_ swapdims_ _test_ambiguous_defaults sym_constrain_range "
    "sym_constrain_range_for_size _assert_async _assert_scalar _assert_tensor_metadata",
    free("view"),
)

_COPIES = _table(
    "cat concat concatenate stack hstack vstack dstack row_stack column_stack clone contiguous copy "
    "copy_ repeat tile repeat_interleave roll flip fliplr flipud rot90 pad constant_pad_nd "
    "reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d "
    "replication_pad3d _pad_circular _pad_enum index index_select gather take take_along_dim index_put "
    "index_put_ _index_put_impl_ _unsafe_index _unsafe_index_put _unsafe_masked_index index_copy "
    "index_copy_ index_add index_add_ index_fill index_fill_ scatter scatter_ scatter_add scatter_add_ "
    "masked_select masked_scatter masked_scatter_ put put_ tril tril_ triu triu_ diag diag_embed "
    "pixel_shuffle pixel_unshuffle channel_shuffle im2col col2im block_diag cartesian_prod "
    "slice_scatter select_scatter diagonal_scatter as_strided_scatter permute_copy expand_copy "
    "transpose_copy split_copy unbind_copy slice_copy select_copy as_strided_copy fill fill_ zero zero_ "
    "resize_ resize_as_ combinations vander view_as_real_copy alias_copy to_mkldnn to_dense to_sparse "
    "to_padded_tensor _pack_padded_sequence _pad_packed_sequence native_channel_shuffle unfold_copy "
    "masked_scatter_backward",
    free("copy"),
) | _table("_to_copy to type_as float double half bfloat16 cpu cuda int long bool", _conversion)

_CREATION = _table(
    "zeros ones full empty empty_like zeros_like ones_like full_like new_zeros new_ones new_full "
    "new_empty new_empty_strided empty_strided empty_permuted arange linspace logspace eye scalar_tensor "
    "tensor rand randn randint rand_like randn_like randint_like randperm bernoulli bernoulli_ normal "
    "normal_ uniform_ random_ exponential_ multinomial poisson binomial tril_indices triu_indices "
    "one_hot hann_window hamming_window _efficientzerotensor geometric_ cauchy_ log_normal_ "
    "_empty_affine_quantized quantize_dummy rand_ range from_numpy lift_fresh_copy",
    free("create"),
) | {"aten._local_scalar_dense": free("view"), "aten.item": free("view")}

_RESIZES = _table(
    "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d "
    "_upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d "
    "upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa "
    "grid_sampler grid_sampler_2d grid_sampler_3d _upsample_lanczos2d_aa affine_grid_generator",
    _upsample,
)

_PRODUCTS: dict[str, Rule] = {
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
} | _table("mm matmul bmm mv dot vdot linalg_matmul linalg_vecdot _int_mm _scaled_mm", _product(0, 1)) | _table(
    "scaled_dot_product_attention _scaled_dot_product_flash_attention "
    "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_efficient_attention "
    "_scaled_dot_product_cudnn_attention _scaled_dot_product_attention_math "
    "_scaled_dot_product_attention_math_for_mps _scaled_dot_product_fused_attention_overrideable",
    _attention,
)  # fmt: skip

_CONVOLUTIONS: dict[str, Rule] = (
    _table("conv1d conv2d conv3d", _conv)
    | _table("conv_transpose1d conv_transpose2d conv_transpose3d", _conv_transpose)
    | _table("convolution _convolution convolution_overrideable cudnn_convolution", _any_convolution)
    | {"aten.conv_tbc": _conv_tbc}
    | _table("deform_conv2d", _deform_conv, "torchvision")
    | _table("conv1d conv2d conv3d conv1d_relu conv2d_relu conv3d_relu", _quantized_conv, "quantized")
    | _table("conv1d_dynamic conv2d_dynamic conv3d_dynamic", _quantized_conv, "quantized")
)

_OTHERS: dict[str, Rule] = (
    {"aten.dropout": _dropout, "aten.feature_dropout": _dropout, "aten.alpha_dropout": _dropout,
     "aten.dropout_": _dropout, "aten.native_dropout": elementwise("elementwise", 2)}
    | _table("softmax log_softmax _softmax _log_softmax _safe_softmax special_softmax "
             "special_log_softmax _softmax.out", elementwise("softmax", ELEMENT_OPS["softmax"]))
    | _table("embedding embedding_bag _embedding_bag _embedding_bag_forward_only", free("embedding"))
    | _table("quantize_per_tensor quantize_per_channel quantize_per_tensor_dynamic dequantize "
             "int_repr fake_quantize_per_tensor_affine fake_quantize_per_channel_affine q_scale "
             "q_zero_point _choose_qparams_per_tensor choose_qparams_optimized "
             "fake_quantize_per_tensor_affine_cachemask _make_per_tensor_quantized_tensor",
             elementwise("quantize", 2))
    | _table("quantize_per_tensor dequantize_per_tensor quantize_per_channel dequantize_per_channel "
             "choose_qparams quantize_per_token dequantize_per_token", elementwise("quantize", 2),
             "quantized_decomposed")
    | _table("add add_relu mul mul_relu add_scalar mul_scalar batch_norm2d batch_norm3d leaky_relu "
             "hardswish sigmoid relu6 prelu elu", elementwise("elementwise"), "quantized")
    | _table("cat cat_relu", free("copy"), "quantized")
    | _table("fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_fftn "
             "fft_ifftn fft_rfftn fft_irfftn _fft_r2c _fft_c2r _fft_c2c stft istft",
             per_input("transform"))
    | _table("fft_fftshift fft_ifftshift", free("copy"))
    | _table("nms roi_align roi_pool ps_roi_align ps_roi_pool", per_input("reduce"), "torchvision")
)  # fmt: skip

ATEN_RULES: dict[str, Rule] = {
    **_VIEWS,
    **_COPIES,
    **_CREATION,
    **_ARITHMETIC,
    **_REDUCTIONS,
    **_ACTIVATIONS,
    **_NORMS,
    **_POOLS,
    **_RESIZES,
    **_PRODUCTS,
    **_CONVOLUTIONS,
    **_OTHERS,
}
"""Every PyTorch operator that is counted."""
