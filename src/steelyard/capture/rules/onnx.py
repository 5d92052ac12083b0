"""ONNX operators: which kind of layer each is, its loops and operations, and the roles of its operands.

Operators of ai.onnx are ``onnx.Conv``, of other domains ``com.microsoft.Gelu``. Counts follow
`steelyard.capture.rules.formulas`, as those for PyTorch's operators do. Sources: the operator
reference at https://onnx.ai/onnx/operators/ and ONNX Runtime's ContribOperators.md.
"""

from __future__ import annotations

import re
from math import prod
from typing import Protocol

from steelyard.capture.rules.formulas import ELEMENT_OPS, elementwise, free, per_input, pool_ops
from steelyard.capture.rules.onnx_products import PRODUCT_RULES
from steelyard.capture.rules.onnx_window import spread
from steelyard.capture.rules.table import Call, Draft, Rule


def _pool(call: Call) -> Draft:
    """``MaxPool``, ``AveragePool``, ``LpPool``: kernel_shape taps for every output."""
    rank = len(call.outputs[0].shape) - 2
    kernel = spread(call.kwargs.get("kernel_shape"), rank, 1, "kernel_shape")
    return Draft("pool", ops=pool_ops(kernel, call.out_elements))


def _lp_pool(call: Call) -> Draft:
    """``LpPool``: power and addition for every tap."""
    return Draft("pool", ops=2 * _pool(call).ops)


def _roi_align(call: Call) -> Draft:
    """``RoiAlign``: bilinear sampling, 4 taps of a product and an addition for every sample."""
    ratio = call.kwargs.get("sampling_ratio")
    samples = ratio * ratio if isinstance(ratio, int) and ratio > 0 else 1
    return Draft("pool", ops=8 * samples * call.out_elements)


def _lrn(call: Call) -> Draft:
    """``LRN`` over ``size`` channels: the window's additions and 4 more."""
    size = call.kwargs.get("size")
    window = size if isinstance(size, int) and size > 0 else 1
    return Draft("norm", ops=(ELEMENT_OPS["local_response_norm"] + window) * call.out_elements)


def _batch_norm(call: Call) -> Draft:
    """``BatchNormalization``: computes statistics only with ``training_mode`` (or its extra outputs)."""
    training = bool(call.kwargs.get("training_mode")) or len(call.outputs) > 3
    per = ELEMENT_OPS["norm" if training else "batch_norm"]
    return Draft("norm", ops=per * prod(call.operand(0).shape))


def _transpose(call: Call) -> Draft:
    """``Transpose``: free if the sizes above 1 keep their order, else a copy."""
    shape = call.operand(0).shape
    perm = call.kwargs.get("perm") or list(range(len(shape)))[::-1]
    order = [i for i in perm if shape[i] != 1] if isinstance(perm, list) else []
    return Draft("view" if order == sorted(order) else "copy")


def _cast(call: Call) -> Draft:
    """``Cast``: free where the type stays."""
    return Draft("view" if call.operand(0).dtype == call.outputs[0].dtype else "copy")


def _pad(call: Call) -> Draft:
    """``Pad``: free where nothing is added."""
    return Draft("view" if call.operand(0).shape == call.outputs[0].shape else "copy")


def _variadic(extra: int = 0) -> Rule:
    """``Sum``, ``Max``, ``Mean`` ...: one operation for each operand after the first (and ``extra``)."""

    def rule(call: Call) -> Draft:
        return Draft("elementwise", ops=(len(call.args) - 1 + extra) * call.out_elements)

    return rule


def _clip(call: Call) -> Draft:
    """``Clip``: ReLU6 and its kin; one comparison for each bound, two as a rule."""
    return Draft("activation", ops=ELEMENT_OPS["hardtanh"] * call.out_elements)


def _dropout(call: Call) -> Draft:
    """``Dropout``: nothing at inference."""
    return Draft("view")


_TAPS = {"nearest": 0, "linear": 2, "bilinear": 4, "cubic": 4, "bicubic": 16}


def _resize(call: Call) -> Draft:
    """``Resize``, ``Upsample``: 2 or 4 taps along every axis that changes, a product and a sum each."""
    mode = call.kwargs.get("mode") or "nearest"
    pairs = zip(call.operand(0).shape, call.outputs[0].shape, strict=False)
    axes = sum(1 for a, b in pairs if a != b)
    taps = _TAPS.get(str(mode), 2) ** axes if mode != "nearest" and axes else 0
    return Draft("resize", ops=2 * taps * call.out_elements)


def _grid_sample(call: Call) -> Draft:
    """``GridSample``: taps in the (two or three) axes of the grid."""
    mode = str(call.kwargs.get("mode") or "linear")
    axes = len(call.operand(0).shape) - 2
    per_axis = {"nearest": 0, "cubic": 4, "bicubic": 4}.get(mode, 2)
    return Draft("resize", ops=2 * per_axis**axes * call.out_elements if per_axis else 0)


def _gelu(call: Call) -> Draft:
    tanh = call.kwargs.get("approximate") == "tanh"
    return Draft("activation", ops=ELEMENT_OPS["gelu_tanh" if tanh else "gelu"] * call.out_elements)


def _skip_norm(call: Call) -> Draft:
    """``SkipLayerNormalization``: an addition before the normalisation (two with a bias)."""
    adds = 2 if len(call.args) > 4 and call.args[4] is not None else 1
    return Draft("norm", ops=(ELEMENT_OPS["norm"] + adds) * call.out_elements)


def _gather(call: Call) -> Draft:
    """``Gather``: look-up in a stored table; one entry alone is a view, as ``select`` is in PyTorch."""
    table, picks = call.operand(0), call.operand(1)
    if table.is_param and not call.kwargs.get("axis"):
        return Draft("embedding")
    return Draft("view" if not picks.shape else "copy")


def _each(names: str, rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


def _activation(name: str, extra: int = 0) -> Rule:
    return elementwise("activation", ELEMENT_OPS[name] + extra)


_ACTIVATIONS: dict[str, Rule] = {
    "Celu": _activation("celu"),
    "Clip": _clip,
    "Elu": _activation("elu"),
    "Gelu": _gelu,
    "HardSigmoid": _activation("hardsigmoid"),
    "HardSwish": _activation("hardswish"),
    "LeakyRelu": _activation("leaky_relu"),
    "Mish": _activation("mish"),
    "PRelu": _activation("prelu"),
    "Relu": _activation("relu"),
    "Selu": _activation("selu"),
    "Shrink": _activation("softshrink"),
    "Sigmoid": _activation("sigmoid"),
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "SwiGLU": _activation("silu", 1),
    "Swish": _activation("swish"),
    "Tanh": _activation("tanh"),
    "ThresholdedRelu": _activation("threshold"),
    "ScaledTanh": elementwise("activation", 3),
    "ParametricSoftplus": _activation("softplus", 2),
}

_NORMS: dict[str, Rule] = {
    "BatchNormalization": _batch_norm,
    "LRN": _lrn,
    **_each(
        "LayerNormalization InstanceNormalization GroupNormalization MeanVarianceNormalization "
        "SimplifiedLayerNormalization",
        per_input("norm", ELEMENT_OPS["norm"]),
    ),
    # no mean and no shift: square and add, normalise, scale
    "RMSNormalization": per_input("norm", 4),
    "LpNormalization": per_input("norm", 3),
}

_TENSOR: dict[str, Rule] = {
    **_each(
        "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr "
        "BitwiseXor Ceil Cos Cosh Div Equal Erf Exp Floor Greater GreaterOrEqual IsInf IsNaN Less "
        "LessOrEqual Log Mod Mul Neg Not Or Pow Reciprocal RegexFullMatch Round Sign Sin Sinh Sqrt "
        "StringConcat StringNormalizer Sub Tan Where Xor",
        elementwise("elementwise"),
    ),
    **_each("Sum Max Min", _variadic()),
    "Mean": _variadic(1),
    **_each(
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
        "ReduceSum ReduceSumSquare ArgMax ArgMin CumSum CumProd TopK Unique NonZero Det "
        "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss",
        per_input("reduce"),
    ),
    # a box meets every other box: 4 comparisons, 3 products and additions
    "NonMaxSuppression": per_input("reduce"),
    **_each("Softmax LogSoftmax", elementwise("softmax", ELEMENT_OPS["softmax"])),
    "Hardmax": per_input("softmax", 1),
    **_each("MaxPool AveragePool", _pool),
    "LpPool": _lp_pool,
    **_each("GlobalAveragePool GlobalMaxPool", per_input("pool")),
    "GlobalLpPool": per_input("pool", 2),
    "MaxUnpool": free("pool"),
    "MaxRoiPool": per_input("pool"),
    "RoiAlign": _roi_align,
    **_each("Resize Upsample", _resize),
    "GridSample": _grid_sample,
    "AffineGrid": elementwise("resize", 6),
    **_each("QuantizeLinear DequantizeLinear", elementwise("quantize", 2)),
    "DynamicQuantizeLinear": elementwise("quantize", 4),
    **_each("DFT STFT", per_input("transform")),
    "RotaryEmbedding": elementwise("elementwise", 3),
    "TfIdfVectorizer": per_input("transform"),
    "StringSplit": per_input("transform"),
    "ImageDecoder": free("transform"),
    **_each(
        "Concat ConcatFromSequence GatherElements GatherND Scatter ScatterElements ScatterND "
        "TensorScatter Tile DepthToSpace SpaceToDepth Compress ReverseSequence Trilu Col2Im "
        "CenterCropPad",
        free("copy"),
    ),
    "Gather": _gather,
    "Pad": _pad,
    "Cast": _cast,
    "CastLike": _cast,
    "Transpose": _transpose,
    "Dropout": _dropout,
    **_each(
        "Reshape Flatten Squeeze Unsqueeze Identity Slice Split SplitToSequence Expand BitCast",
        free("view"),
    ),
    **_each(
        "ConstantOfShape EyeLike RandomNormal RandomNormalLike RandomUniform RandomUniformLike Range "
        "Bernoulli Multinomial OneHot Shape Size BlackmanWindow HammingWindow HannWindow "
        "MelWeightMatrix",
        free("create"),
    ),
}

_MICROSOFT: dict[str, Rule] = {
    "BiasAdd": elementwise("elementwise", 2),
    "BiasDropout": elementwise("elementwise", 1),
    "BiasGelu": _activation("gelu", 1),
    "BiasSoftmax": elementwise("softmax", ELEMENT_OPS["softmax"] + 1),
    "FastGelu": _activation("gelu_tanh"),
    "Gelu": _activation("gelu"),
    "GroupNorm": per_input("norm", ELEMENT_OPS["norm"]),
    "Inverse": per_input("reduce"),
    "LayerNormalization": per_input("norm", ELEMENT_OPS["norm"]),
    "QLinearAdd": elementwise("elementwise"),
    "QLinearAveragePool": _pool,
    "QLinearGlobalAveragePool": per_input("pool"),
    "QLinearLeakyRelu": _activation("leaky_relu"),
    "QLinearMul": elementwise("elementwise"),
    "QLinearReduceMean": per_input("reduce"),
    "QLinearSigmoid": _activation("sigmoid"),
    "QLinearSoftmax": elementwise("softmax", ELEMENT_OPS["softmax"]),
    "QuickGelu": _activation("silu", 1),
    "QuantizeLinear": elementwise("quantize", 2),
    "DequantizeLinear": elementwise("quantize", 2),
    "RotaryEmbedding": elementwise("elementwise", 3),
    "SimplifiedLayerNormalization": per_input("norm", 4),
    "SkipLayerNormalization": _skip_norm,
    "SkipSimplifiedLayerNormalization": _skip_norm,
    "Trilu": free("copy"),
}

_ML: dict[str, Rule] = {
    "Binarizer": elementwise("elementwise"),
    "Imputer": elementwise("elementwise"),
    "Normalizer": per_input("norm", 3),
    "Scaler": elementwise("elementwise", 2),
}

ONNX_RULES: dict[str, Rule] = {
    **{f"onnx.{name}": rule for name, rule in (_ACTIVATIONS | _NORMS | _TENSOR).items()},
    **{f"com.microsoft.{name}": rule for name, rule in _MICROSOFT.items()},
    **{f"ai.onnx.ml.{name}": rule for name, rule in _ML.items()},
    **PRODUCT_RULES,
}
"""Every ONNX operator that is counted."""


# ---- roles ---------------------------------------------------------------------------------------

_WEIGHTS: dict[str, frozenset[int]] = {
    f"{domain}.{name}": frozenset(positions)
    for domain, table in {
        "onnx": {
            "Conv": (1, 2), "ConvTranspose": (1, 2), "ConvInteger": (1,), "DeformConv": (1, 3),
            "QLinearConv": (3, 8), "QLinearMatMul": (0, 3), "MatMulInteger": (0, 1),
            "Gemm": (0, 1, 2), "MatMul": (0, 1), "Einsum": (0, 1, 2, 3), "PRelu": (1,),
            "BatchNormalization": (1, 2), "InstanceNormalization": (1, 2),
            "LayerNormalization": (1, 2), "GroupNormalization": (1, 2), "RMSNormalization": (1,),
            "LSTM": (1, 2, 3, 7), "GRU": (1, 2, 3), "RNN": (1, 2, 3), "Gather": (0,),
            "CausalConvWithState": (1, 2), "SimplifiedLayerNormalization": (1,),
        },
        "com.microsoft": {
            "FusedConv": (1, 2), "FusedGemm": (0, 1, 2), "FusedMatMul": (0, 1), "BiasGelu": (1,),
            "FastGelu": (1,), "Attention": (1, 2), "QAttention": (1, 2), "MatMulNBits": (1, 2),
            "DynamicQuantizeMatMul": (1, 2), "MatMulIntegerToFloat": (1, 3), "BiasAdd": (1,),
            "MultiHeadAttention": (3,), "SkipLayerNormalization": (2, 3, 4), "GroupNorm": (1, 2),
            "SkipSimplifiedLayerNormalization": (2, 3), "LayerNormalization": (1, 2),
        },
    }.items()
    for name, positions in table.items()
}  # fmt: skip

_BUFFERS: dict[str, frozenset[int]] = {
    "onnx.BatchNormalization": frozenset({3, 4}),
    "onnx.QLinearConv": frozenset({1, 2, 4, 5, 6, 7}),
    "onnx.QLinearMatMul": frozenset({1, 2, 4, 5, 6, 7}),
    "onnx.QuantizeLinear": frozenset({1, 2}),
    "onnx.DequantizeLinear": frozenset({1, 2}),
    "onnx.ConvInteger": frozenset({2, 3}),
    "onnx.MatMulInteger": frozenset({2, 3}),
}


_SETTINGS: dict[str, frozenset[int]] = {
    "onnx.LSTM": frozenset({4, 5, 6}),
    "onnx.GRU": frozenset({4, 5}),
    "onnx.RNN": frozenset({4, 5}),
    "onnx.Resize": frozenset({1, 2, 3}),
    "onnx.Upsample": frozenset({1}),
    "onnx.Clip": frozenset({1, 2}),
    "onnx.Pad": frozenset({1, 2, 3}),
    "onnx.OneHot": frozenset({1, 2}),
    "onnx.Range": frozenset({0, 1, 2}),
    "onnx.NonMaxSuppression": frozenset({2, 3, 4}),
}
"""What no network learns: first states (stored zeros, as a rule), scales, bounds, fillings."""

_MADE = re.compile(r"val_[0-9]+\Z")
"""What torch.onnx.export calls numbers that it computed itself."""


class _Stored(Protocol):
    name: str
    role: str
    shape: tuple[int, ...]
    dtype: str


def role_of(op: str, position: int, given: bool, stored: _Stored) -> str:
    """Role of a stored tensor, now that operator ``op`` reads it as input ``position``.

    Weight operands are parameters, running statistics and quantisation scales buffers. Elsewhere an
    initializer of floating-point elements with at least one dimension is a parameter (a layer scale,
    a position embedding) and everything else a constant. A parameter stays one.
    """
    if stored.role == "parameter":
        return "parameter"
    if position in _WEIGHTS.get(op, ()):
        return stored.role if stored.role == "buffer" else "parameter"
    if (
        stored.role == "buffer"
        or position in _BUFFERS.get(op, ())
        or op.startswith("com.microsoft.QLinear")
    ):
        return "buffer"
    made = prod(stored.shape) == 1 and _MADE.match(stored.name)
    if position in _SETTINGS.get(op, ()) or made:
        return stored.role or "constant"
    if given and stored.shape and stored.dtype.startswith(("float", "bfloat")):
        return "parameter"
    return stored.role or "constant"
