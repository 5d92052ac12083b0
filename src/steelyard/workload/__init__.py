"""Pure data: what a network asks of any machine. No torch, no onnx."""

from steelyard.workload.layer import KINDS, MAC_KINDS, Layer
from steelyard.workload.loopnest import LoopNest
from steelyard.workload.tensor import DTYPE_BITS, Role, TensorSpec
from steelyard.workload.workload import Coverage, GroupKey, Workload

__all__ = [
    "DTYPE_BITS",
    "KINDS",
    "MAC_KINDS",
    "Coverage",
    "GroupKey",
    "Layer",
    "LoopNest",
    "Role",
    "TensorSpec",
    "Workload",
]
