"""Which shape function belongs to which ONNX operator: `shape_of`."""

from __future__ import annotations

from steelyard.capture import onnx_shapes as tensor
from steelyard.capture import onnx_shapes_nn as nn
from steelyard.capture.onnx_shapes import TENSOR_SHAPES, ShapeRule

_ONNX: dict[str, ShapeRule] = {
    "AffineGrid": nn.affine_grid,
    "Attention": nn.attention,
    "AveragePool": nn.pool,
    "BatchNormalization": nn.batch_norm,
    "BlackmanWindow": nn.fourier_window,
    "CausalConvWithState": nn.conv_state,
    "Col2Im": nn.col2im,
    "Conv": nn.conv(1),
    "ConvInteger": nn.conv(1, "int32"),
    "ConvTranspose": nn.conv_transpose,
    "DFT": nn.dft,
    "DeformConv": nn.conv(1),
    "DequantizeLinear": nn.dequantize,
    "Dropout": nn.dropout,
    "DynamicQuantizeLinear": nn.dynamic_quantize,
    "Einsum": nn.einsum,
    "GRU": nn.recurrent,
    "Gemm": nn.gemm,
    "GlobalAveragePool": nn.global_pool,
    "GlobalLpPool": nn.global_pool,
    "GlobalMaxPool": nn.global_pool,
    "GridSample": nn.grid_sample,
    "HammingWindow": nn.fourier_window,
    "HannWindow": nn.fourier_window,
    "ImageDecoder": nn.image_decoder,
    "LSTM": nn.recurrent,
    "LayerNormalization": nn.layer_norm,
    "LinearAttention": nn.linear_attention,
    "LpPool": nn.pool,
    "MatMul": nn.matmul(),
    "MatMulInteger": nn.matmul(1, "int32"),
    "MaxPool": nn.pool,
    "MaxRoiPool": nn.roi_pool,
    "MaxUnpool": nn.max_unpool,
    "MelWeightMatrix": nn.mel_matrix,
    "Multinomial": nn.multinomial,
    "NegativeLogLikelihoodLoss": nn.loss,
    "QLinearConv": nn.conv(3, 7),
    "QLinearMatMul": nn.matmul(3, 7),
    "QuantizeLinear": nn.quantize,
    "RMSNormalization": nn.layer_norm,
    "RNN": nn.recurrent,
    "Resize": nn.resize,
    "RoiAlign": nn.roi_pool,
    "STFT": nn.stft,
    "SimplifiedLayerNormalization": nn.layer_norm,
    "SoftmaxCrossEntropyLoss": nn.loss,
    "Upsample": nn.resize,
}

_MICROSOFT: dict[str, ShapeRule] = {
    **dict.fromkeys(["BiasGelu", "FastGelu", "Gelu", "QuickGelu", "Trilu", "RotaryEmbedding", "Inverse", "GroupNorm", "BiasAdd", "QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax", "QLinearReduceMean"], tensor.same),
    "Attention": nn.packed_attention,
    "BiasDropout": nn.dropout,
    "BiasSoftmax": tensor.same,
    "DequantizeLinear": nn.dequantize,
    "DynamicQuantizeMatMul": nn.matmul(1, 0),
    "FusedConv": nn.conv(1),
    "FusedGemm": nn.gemm,
    "FusedMatMul": nn.matmul(),
    "GroupQueryAttention": nn.group_query_attention,
    "LayerNormalization": nn.layer_norm,
    "MatMulInteger16": nn.matmul(1, "int32"),
    "MatMulIntegerToFloat": nn.matmul(1, 2),
    "MatMulNBits": nn.matmul_nbits,
    "MultiHeadAttention": nn.multi_head_attention,
    "QAttention": nn.packed_attention,
    "QLinearAdd": lambda site: [(tensor.broadcast(site.shape(0), site.shape(3)), site.dtype())],
    "QLinearMul": lambda site: [(tensor.broadcast(site.shape(0), site.shape(3)), site.dtype())],
    "QLinearAveragePool": nn.pool,
    "QLinearGlobalAveragePool": nn.global_pool,
    "QuantizeLinear": nn.quantize,
    "SimplifiedLayerNormalization": nn.layer_norm,
    "SkipLayerNormalization": nn.skip_layer_norm,
    "SkipSimplifiedLayerNormalization": nn.skip_layer_norm,
    "TransposeMatMul": nn.matmul(),
}  # fmt: skip

_ML: dict[str, ShapeRule] = {
    **dict.fromkeys(("Binarizer", "Imputer"), nn.first),
    **dict.fromkeys(("Scaler", "Normalizer"), nn.as_float),
    "LinearClassifier": nn.classifier,
    "LinearRegressor": nn.regressor,
}

SHAPES: dict[str, ShapeRule] = {
    **{f"onnx.{op}": rule for op, rule in TENSOR_SHAPES.items()},
    **{f"onnx.{op}": rule for op, rule in _ONNX.items()},
    **{f"com.microsoft.{op}": rule for op, rule in _MICROSOFT.items()},
    **{f"ai.onnx.ml.{op}": rule for op, rule in _ML.items()},
    "ai.onnx.preview.FlexAttention": nn.attention,
}


def shape_of(op: str) -> ShapeRule | None:
    """The shape function of an operator named as rules name it (``onnx.Conv``), if one is known."""
    return SHAPES.get(op)
