"""`synchronized`: batch normalisation over the images of all processes, on CPUs in plain PyTorch.

`torch.nn.SyncBatchNorm` computes on GPUs alone. With n images and mean m, sum of squared deviations q in each
process, the whole batch has (Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983):

    N = sum n,   M = sum n m / N,   Q = sum q + sum n (m - M)^2,   variance = Q / N

and, g being the gradient of the output, the gradient of the input is

    w / s * (g - sum g / N - (x - M) / s^2 * sum g (x - M) / N),   s^2 = variance + eps

with sums over all images of all processes (Ioffe, Szegedy 2015, arXiv:1502.03167, sec. 3).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["SynchronizedBatchNorm1d", "SynchronizedBatchNorm2d", "synchronized"]


class _Normalize(torch.autograd.Function):
    """Normalises with the statistics of all processes; returns them, too."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        over = [0, *range(2, x.dim())]
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        count = x.numel() // x.shape[1]
        var, mean = torch.var_mean(wide, over, correction=0)
        own = torch.stack((mean, var)).double()
        told = torch.cat((own.flatten(), own.new_tensor([count])))
        every = [torch.empty_like(told) for _ in range(dist.get_world_size())]
        dist.all_gather(every, told)
        table = torch.stack(every)
        counts, parts = table[:, -1:], table[:, :-1].view(len(every), 2, -1)
        total = counts.sum()
        means, variances = parts[:, 0], parts[:, 1]
        mean = (counts * means).sum(0) / total
        var = (counts * (variances + (means - mean) ** 2)).sum(0) / total
        mean, var = mean.to(wide.dtype), var.to(wide.dtype)
        ctx.save_for_backward(x, weight, mean, (var + eps).rsqrt(), total)
        ctx.mark_non_differentiable(mean, var, total)
        out = F.batch_norm(x, mean, var, weight, bias, training=False, eps=eps)
        return out, mean, var, total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, inverse, total = ctx.saved_tensors
        over, shape = [0, *range(2, x.dim())], (1, -1, *(1,) * (x.dim() - 2))
        grad = gradients[0].to(mean.dtype)
        deviation = x.to(mean.dtype) - mean.view(shape)
        sums = torch.stack((grad.sum(over), (grad * deviation).sum(over)))
        everywhere = sums.to(torch.float64, copy=True)
        dist.all_reduce(everywhere)
        mean_grad, slope = (everywhere / total).to(mean.dtype)
        scale = (weight * inverse).view(shape)
        centred = grad - mean_grad.view(shape)
        into = scale * (centred - deviation * (slope * inverse**2).view(shape))
        # of its own images only: gradients of parameters become means over the processes with all others
        return into.to(x.dtype), sums[1] * inverse, sums[0], None


class _Synchronized(_BatchNorm):
    def forward(self, input: Tensor) -> Tensor:
        """As one process on the images of all; in eval mode as ever, with the running statistics."""
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        if not self.training:
            return super().forward(input)
        channels = input.new_ones(self.num_features, dtype=_parameter_type(input))
        weight = channels if self.weight is None else self.weight
        bias = torch.zeros_like(channels) if self.bias is None else self.bias
        out, mean, var, total = _Normalize.apply(input, weight, bias, self.eps)  # type: ignore[no-untyped-call]
        self._remember(mean, var, float(total))
        return out  # type: ignore[no-any-return]

    @torch.no_grad()
    def _remember(self, mean: Tensor, var: Tensor, total: float) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        momentum = self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:
                momentum = 1 / float(self.num_batches_tracked)
        share = 0.0 if momentum is None else momentum
        unbiased = var * (total / max(total - 1, 1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)


class SynchronizedBatchNorm1d(_Synchronized, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` over the images of all processes, (N, C) or (N, C, L)."""


class SynchronizedBatchNorm2d(_Synchronized, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` over the images of all processes, (N, C, H, W)."""


def synchronized(network: nn.Module) -> nn.Module:
    """The network with normalisations that see the images of all processes; parameters and buffers stay the same.

    On GPUs the library's `torch.nn.SyncBatchNorm` takes their places.
    """
    if any(p.is_cuda for p in network.parameters()):
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-any-return, no-untyped-call]
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d | nn.BatchNorm1d):
                setattr(parent, name, _exchanged(child))
    return network


def _exchanged(norm: nn.BatchNorm2d | nn.BatchNorm1d) -> nn.Module:
    kind = SynchronizedBatchNorm2d if isinstance(norm, nn.BatchNorm2d) else SynchronizedBatchNorm1d
    new = kind(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    new.weight, new.bias = norm.weight, norm.bias
    for name, buffer in norm.named_buffers():
        setattr(new, name, buffer)
    return new.train(norm.training)


def _parameter_type(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)
