"""Cases of the unpoolings; max-unpooling follows the pooling whose locations it needs."""

from __future__ import annotations

import torch.nn.functional as F
from layer_case import LayerCase
from torch import Tensor, nn

from steelyard.layers.unpool import MaxUnpool2d, ZeroUnpool2d


class PoolAndUnpool(nn.Module):
    """Keeps the maximum of every window."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride, self.unpool = kernel, stride, MaxUnpool2d()

    def forward(self, x: Tensor) -> Tensor:
        values, at = F.max_pool2d(x, self.kernel, self.stride, return_indices=True)
        out: Tensor = self.unpool(values, at, (x.shape[2], x.shape[3]))
        return out


CASES = [
    LayerCase(
        name=f"zero-unpool-{scale}",
        build=lambda scale=scale: ZeroUnpool2d(scale),  # type: ignore[misc]
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w, scale=scale: (n, 3, h * scale, w * scale),  # type: ignore[misc]
        params=0,
        macs=lambda n, h, w: 0,
    )
    for scale in (1, 2, 3)
] + [
    LayerCase(
        name=f"max-unpool-{kernel}-{stride}",
        build=lambda kernel=kernel, stride=stride: PoolAndUnpool(kernel, stride),  # type: ignore[misc]
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 3, h, w),
        params=0,
        macs=lambda n, h, w: 0,
        onnx="ONNX's reference evaluator errs in the locations of a 1x1 MaxPool, which the export of the "
        "pooling has; ONNX Runtime has them right",
    )
    for kernel, stride in ((2, 2), (3, 2))
]
