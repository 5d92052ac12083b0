"""Which shape function belongs to which ONNX operator: `shape_of`."""

from __future__ import annotations

from steelyard.capture import onnx_shapes as tensor
from steelyard.capture import onnx_shapes_made as made
from steelyard.capture import onnx_shapes_nn as nn
from steelyard.capture import onnx_shapes_sequence as seq
from steelyard.capture.onnx_shapes import ShapeRule
from steelyard.capture.onnx_value import broadcast

_SAME = (
    "Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Cos Cosh CumProd CumSum Elu Erf Exp "
    "Floor Gelu HardSigmoid HardSwish Hardmax Identity LRN LeakyRelu Log LogSoftmax "
    "LpNormalization MeanVarianceNormalization Mish Neg Not Reciprocal Relu ReverseSequence Round "
    "Scatter ScatterElements ScatterND Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign "
    "Sqrt Swish SwiGLU Tan Tanh TensorScatter ThresholdedRelu Trilu Clip ScaledTanh ParametricSoftplus "
    "InstanceNormalization GroupNormalization RotaryEmbedding PRelu"
)

_REDUCE = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare"

_TENSOR: dict[str, ShapeRule] = {
    **dict.fromkeys(_SAME.split(), tensor.same),
    **{f"Reduce{op}": tensor.reduction() for op in _REDUCE.split()},
    **{
        op: tensor.elementwise()
        for op in [
            "Add",
            "Sub",
            "Mul",
            "Div",
            "Mod",
            "Pow",
            "Max",
            "Min",
            "Mean",
            "Sum",
            "BitShift",
            "BitwiseAnd",
            "BitwiseOr",
            "BitwiseXor",
            "StringConcat",
        ]
    },
    **{
        op: tensor.elementwise("bool")
        for op in ["And", "Or", "Xor", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"]
    },
    **{op: lambda site: [(site.shape(0), "bool")] for op in ("IsInf", "IsNaN", "RegexFullMatch")},
    "Where": tensor.elementwise(like=1),
    "ArgMax": tensor.arg_reduction,
    "ArgMin": tensor.arg_reduction,
    "Cast": tensor.cast,
    "CastLike": tensor.cast_like,
    "BitCast": tensor.cast,
    "CenterCropPad": tensor.center_crop_pad,
    "Compress": made.compress,
    "Concat": tensor.concat,
    "ConstantOfShape": made.constant_of_shape,
    "DepthToSpace": tensor.depth_to_space,
    "Det": tensor.det,
    "Expand": tensor.expand,
    "EyeLike": made.filled_like,
    "Bernoulli": made.filled_like,
    "Flatten": tensor.flatten,
    "Gather": tensor.gather,
    "GatherElements": lambda site: [(site.shape(1), site.dtype())],
    "GatherND": tensor.gather_nd,
    "NonMaxSuppression": made.non_max_suppression,
    "NonZero": made.non_zero,
    "OneHot": made.one_hot,
    "Pad": tensor.pad,
    "RandomNormal": made.filled,
    "RandomNormalLike": made.filled_like,
    "RandomUniform": made.filled,
    "RandomUniformLike": made.filled_like,
    "Range": made.range_,
    "Reshape": tensor.reshape,
    "Shape": tensor.shape_op,
    "Size": tensor.scalar("int64"),
    "Slice": tensor.slice_,
    "SpaceToDepth": tensor.space_to_depth,
    "Split": tensor.split,
    "Squeeze": tensor.squeeze,
    "Tile": tensor.tile,
    "TopK": tensor.top_k,
    "Transpose": tensor.transpose,
    "Unique": made.unique,
    "Unsqueeze": tensor.unsqueeze,
}
"""Shape functions of ai.onnx operators that are not layers of a network."""

_ONNX: dict[str, ShapeRule] = {
    "AffineGrid": nn.affine_grid,
    "Attention": seq.attention,
    "AveragePool": nn.pool,
    "BatchNormalization": nn.batch_norm,
    "BlackmanWindow": seq.fourier_window,
    "CausalConvWithState": seq.conv_state,
    "Col2Im": nn.col2im,
    "Conv": nn.conv(1),
    "ConvInteger": nn.conv(1, "int32"),
    "ConvTranspose": nn.conv_transpose,
    "DFT": seq.dft,
    "DeformConv": nn.conv(1),
    "DequantizeLinear": nn.dequantize,
    "Dropout": nn.dropout,
    "DynamicQuantizeLinear": nn.dynamic_quantize,
    "Einsum": nn.einsum,
    "GRU": seq.recurrent,
    "Gemm": nn.gemm,
    "GlobalAveragePool": nn.global_pool,
    "GlobalLpPool": nn.global_pool,
    "GlobalMaxPool": nn.global_pool,
    "GridSample": nn.grid_sample,
    "HammingWindow": seq.fourier_window,
    "HannWindow": seq.fourier_window,
    "ImageDecoder": seq.image_decoder,
    "LSTM": seq.recurrent,
    "LayerNormalization": nn.layer_norm,
    "LinearAttention": seq.linear_attention,
    "LpPool": nn.pool,
    "MatMul": nn.matmul(),
    "MatMulInteger": nn.matmul(1, "int32"),
    "MaxPool": nn.pool,
    "MaxRoiPool": nn.roi_pool,
    "MaxUnpool": nn.max_unpool,
    "MelWeightMatrix": seq.mel_matrix,
    "Multinomial": seq.multinomial,
    "NegativeLogLikelihoodLoss": seq.loss,
    "QLinearConv": nn.conv(3, 7),
    "QLinearMatMul": nn.matmul(3, 7),
    "QuantizeLinear": nn.quantize,
    "RMSNormalization": nn.layer_norm,
    "RNN": seq.recurrent,
    "Resize": nn.resize,
    "RoiAlign": nn.roi_pool,
    "STFT": seq.stft,
    "SimplifiedLayerNormalization": nn.layer_norm,
    "SoftmaxCrossEntropyLoss": seq.loss,
    "Upsample": nn.resize,
}

_MICROSOFT: dict[str, ShapeRule] = {
    **dict.fromkeys(["BiasGelu", "FastGelu", "Gelu", "QuickGelu", "Trilu", "RotaryEmbedding", "Inverse", "GroupNorm", "BiasAdd", "QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax", "QLinearReduceMean"], tensor.same),
    "Attention": seq.packed_attention,
    "BiasDropout": nn.dropout,
    "BiasSoftmax": tensor.same,
    "DequantizeLinear": nn.dequantize,
    "DynamicQuantizeMatMul": nn.matmul(1, 0),
    "FusedConv": nn.conv(1),
    "FusedGemm": nn.gemm,
    "FusedMatMul": nn.matmul(),
    "GroupQueryAttention": seq.group_query_attention,
    "LayerNormalization": nn.layer_norm,
    "MatMulInteger16": nn.matmul(1, "int32"),
    "MatMulIntegerToFloat": nn.matmul(1, 2),
    "MatMulNBits": nn.matmul_nbits,
    "MultiHeadAttention": seq.multi_head_attention,
    "QAttention": seq.packed_attention,
    "QLinearAdd": lambda site: [(broadcast(site.shape(0), site.shape(3)), site.dtype())],
    "QLinearMul": lambda site: [(broadcast(site.shape(0), site.shape(3)), site.dtype())],
    "QLinearAveragePool": nn.pool,
    "QLinearGlobalAveragePool": nn.global_pool,
    "QuantizeLinear": nn.quantize,
    "SimplifiedLayerNormalization": nn.layer_norm,
    "SkipLayerNormalization": nn.skip_layer_norm,
    "SkipSimplifiedLayerNormalization": nn.skip_layer_norm,
    "TransposeMatMul": nn.matmul(),
}  # fmt: skip

_ML: dict[str, ShapeRule] = {
    **dict.fromkeys(("Binarizer", "Imputer"), seq.first),
    **dict.fromkeys(("Scaler", "Normalizer"), seq.as_float),
    "LinearClassifier": seq.classifier,
    "LinearRegressor": seq.regressor,
}

SHAPES: dict[str, ShapeRule] = {
    **{f"onnx.{op}": rule for op, rule in _TENSOR.items()},
    **{f"onnx.{op}": rule for op, rule in _ONNX.items()},
    **{f"com.microsoft.{op}": rule for op, rule in _MICROSOFT.items()},
    **{f"ai.onnx.ml.{op}": rule for op, rule in _ML.items()},
    "ai.onnx.preview.FlexAttention": seq.attention,
}


def shape_of(op: str) -> ShapeRule | None:
    """The shape function of an operator named as rules name it (``onnx.Conv``), if one is known."""
    return SHAPES.get(op)
