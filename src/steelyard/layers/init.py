"""Initial weights as the papers draw them: Gaussian, Glorot, He, and uniform in the fan-in.

Each function changes one module in place and is meant for ``module.apply``; all work on meta tensors.
"""

from __future__ import annotations

from torch import nn

WEIGHTED = (nn.Conv2d, nn.Linear)


def gaussian(module: nn.Module, *, std: float = 0.01, bias: float = 0.0) -> None:
    """Weights N(0, std^2), biases constant (Krizhevsky et al. 2012, sec. 5: std 0.01)."""
    if isinstance(module, WEIGHTED):
        nn.init.normal_(module.weight, std=std)
        if module.bias is not None:
            nn.init.constant_(module.bias, bias)


def glorot(module: nn.Module, *, bias: float = 0.0) -> None:
    """Weights uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010, eq. 16)."""
    if isinstance(module, WEIGHTED):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.constant_(module.bias, bias)


def caffe_xavier(module: nn.Module, *, bias: float = 0.0) -> None:
    """Weights uniform in +-sqrt(3 / fan_in): what Caffe's ``xavier`` filler does by default."""
    if isinstance(module, WEIGHTED):
        bound = (3 * module.weight.shape[0] / module.weight.numel()) ** 0.5
        nn.init.uniform_(module.weight, -bound, bound)
        if module.bias is not None:
            nn.init.constant_(module.bias, bias)


def he(module: nn.Module) -> None:
    """Convolutions N(0, 2 / (M R S)) without bias, batch normalisation 1 and 0.

    He et al. 2015 (arXiv:1502.01852), sec. 2.2: the backward form, eq. 14, which keeps the gradients'
    variance and which the ResNet releases in Torch and PyTorch use.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)


def lecun_uniform(module: nn.Module) -> None:
    """Weights and biases uniform in +-2.4 / fan_in (LeCun et al. 1998, Appendix A)."""
    if isinstance(module, WEIGHTED):
        bound = 2.4 * module.weight.shape[0] / module.weight.numel()
        nn.init.uniform_(module.weight, -bound, bound)
        if module.bias is not None:
            nn.init.uniform_(module.bias, -bound, bound)


def truncated(module: nn.Module, *, std: float = 0.01) -> None:
    """Weights N(0, std^2) within two standard deviations, biases 0: TensorFlow's inception networks."""
    if isinstance(module, WEIGHTED):
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def variance_scaling(module: nn.Module) -> None:
    """Weights N(0, 2 / fan_in), biases 0: the forward form of He et al. 2015 (arXiv:1502.01852), eq. 10."""
    if isinstance(module, WEIGHTED):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
