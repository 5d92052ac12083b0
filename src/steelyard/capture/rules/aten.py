"""PyTorch's operators: which kind of layer each is, and its loops and operations.

Names are those of the dispatcher (``aten.convolution``) and of torch.export's graphs (``aten.conv2d``);
arguments follow the operators' schemas. Overloads are told apart only where they differ in kind.
"""

from __future__ import annotations

from math import prod

from steelyard.capture.rules.aten_products import CONVOLUTIONS, PRODUCTS
from steelyard.capture.rules.formulas import (
    ELEMENT_OPS,
    elementwise,
    free,
    per_input,
    pool_ops,
    rules_for,
)
from steelyard.capture.rules.table import Call, Draft, Operand, Rule

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


def _local_response_norm(call: Call) -> Draft:
    """``local_response_norm(x, size, ...)``: square, ``size`` additions, scale, power, divide (Krizhevsky et al. 2012, 3.3)."""
    size = call.get(1, "size", 1)
    per = ELEMENT_OPS["local_response_norm"] + (size if isinstance(size, int) else 0)
    return Draft("norm", ops=per * prod(call.operand(0).shape))


def _conversion(call: Call) -> Draft:
    """``to``/``_to_copy``: free where nothing changes, else a copy."""
    if call.args and isinstance(call.args[0], Operand):
        x, out = call.args[0], call.outputs[0]
        if (
            call.op.endswith((".to", "to.dtype", "to.dtype_layout", "to.device"))
            and x.dtype == out.dtype
        ):
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
    rules_for(
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
) | rules_for(
    "where maximum minimum max.other min.other fmax fmin isnan isinf isfinite isposinf isneginf "
    "signbit logaddexp logaddexp2 outer ger kron cross linalg_cross complex polar angle conj_physical "
    "special_expit special_erf special_entr special_xlog1py special_i0e special_ndtr isclose "
    "isin bucketize searchsorted threshold_backward dist hspmm",
    elementwise("elementwise"),
)  # fmt: skip

_NORMS = {
    "aten.batch_norm": _batch_norm,
    "aten.local_response_norm": _local_response_norm,
    "aten.native_batch_norm": _batch_norm,
    "aten.cudnn_batch_norm": _batch_norm,
    "aten._native_batch_norm_legit": _batch_norm_legit,
    "aten._native_batch_norm_legit_functional": _batch_norm_legit,
    "aten._batch_norm_with_update": per_input("norm", ELEMENT_OPS["norm"]),
    "aten._batch_norm_with_update_functional": per_input("norm", ELEMENT_OPS["norm"]),
    "aten._batch_norm_no_update": per_input("norm", ELEMENT_OPS["batch_norm"]),
    "aten._native_batch_norm_legit_no_training": per_input("norm", ELEMENT_OPS["batch_norm"]),
    "aten.batch_norm_elemt": per_input("norm", ELEMENT_OPS["batch_norm"]),
} | rules_for(
    "layer_norm native_layer_norm group_norm native_group_norm instance_norm rms_norm _fused_rms_norm "
    "batch_norm_stats weight_norm _weight_norm _weight_norm_interface renorm",
    per_input("norm", ELEMENT_OPS["norm"]),
)

_POOLS = (
    rules_for(
        "max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices "
        "max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d lp_pool1d lp_pool2d quantized_max_pool2d "
        "mkldnn_max_pool2d mkldnn_max_pool3d",
        _pool,
    )
    | rules_for(
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d "
        "_adaptive_avg_pool3d mkldnn_adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d "
        "adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d",
        per_input("pool"),
    )
    | rules_for("max_unpool2d max_unpool3d", free("pool"))
)

_REDUCTIONS = rules_for(
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
)

_VIEWS = rules_for(
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

_COPIES = rules_for(
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
) | rules_for("_to_copy to type_as float double half bfloat16 cpu cuda int long bool", _conversion)

_CREATION = rules_for(
    "zeros ones full empty empty_like zeros_like ones_like full_like new_zeros new_ones new_full "
    "new_empty new_empty_strided empty_strided empty_permuted arange linspace logspace eye scalar_tensor "
    "tensor rand randn randint rand_like randn_like randint_like randperm bernoulli bernoulli_ normal "
    "normal_ uniform_ random_ exponential_ multinomial poisson binomial tril_indices triu_indices "
    "one_hot hann_window hamming_window _efficientzerotensor geometric_ cauchy_ log_normal_ "
    "_empty_affine_quantized quantize_dummy rand_ range from_numpy lift_fresh_copy",
    free("create"),
) | {"aten._local_scalar_dense": free("view"), "aten.item": free("view")}

_RESIZES = rules_for(
    "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d "
    "_upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d "
    "upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa "
    "grid_sampler grid_sampler_2d grid_sampler_3d _upsample_lanczos2d_aa affine_grid_generator",
    _upsample,
)

_OTHERS: dict[str, Rule] = (
    {"aten.dropout": _dropout, "aten.feature_dropout": _dropout, "aten.alpha_dropout": _dropout,
     "aten.dropout_": _dropout, "aten.native_dropout": elementwise("elementwise", 2)}
    | rules_for("softmax log_softmax _softmax _log_softmax _safe_softmax special_softmax "
             "special_log_softmax _softmax.out", elementwise("softmax", ELEMENT_OPS["softmax"]))
    | rules_for("embedding embedding_bag _embedding_bag _embedding_bag_forward_only", free("embedding"))
    | rules_for("quantize_per_tensor quantize_per_channel quantize_per_tensor_dynamic dequantize "
             "int_repr fake_quantize_per_tensor_affine fake_quantize_per_channel_affine q_scale "
             "q_zero_point _choose_qparams_per_tensor choose_qparams_optimized "
             "fake_quantize_per_tensor_affine_cachemask _make_per_tensor_quantized_tensor",
             elementwise("quantize", 2))
    | rules_for("quantize_per_tensor dequantize_per_tensor quantize_per_channel dequantize_per_channel "
             "choose_qparams quantize_per_token dequantize_per_token", elementwise("quantize", 2),
             "quantized_decomposed")
    | rules_for("add add_relu mul mul_relu add_scalar mul_scalar batch_norm2d batch_norm3d leaky_relu "
             "hardswish sigmoid relu6 prelu elu", elementwise("elementwise"), "quantized")
    | rules_for("cat cat_relu", free("copy"), "quantized")
    | rules_for("fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_fftn "
             "fft_ifftn fft_rfftn fft_irfftn _fft_r2c _fft_c2r _fft_c2c stft istft",
             per_input("transform"))
    | rules_for("fft_fftshift fft_ifftshift", free("copy"))
    | rules_for("nms roi_align roi_pool ps_roi_align ps_roi_pool", per_input("reduce"), "torchvision")
    | rules_for("shift sparse_shift", free("copy"), "steelyard")
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
    **PRODUCTS,
    **CONVOLUTIONS,
    **_OTHERS,
}
"""Every PyTorch operator that is counted."""
