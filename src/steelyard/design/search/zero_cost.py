"""`naswot`: a score that tells trained accuracy without training, more or less; and `rank_correlation`, how much.

Mellor, Turner, Storkey, Crowley 2021 (arXiv:2006.04647), sec. 3: every image switches the rectifiers of a freshly
initialised network on and off; the more the codes of different images differ, the better the network can tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from steelyard.errors import ModelError

IMAGES = 32
"""In the batch, of standard normal noise, as images are after normalisation."""

_RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.LeakyReLU, nn.GELU)


def naswot(network: nn.Module, shape: Sequence[int], *, seed: int = 0) -> float:
    """The logarithm of the determinant of K, K_ij = rectifiers on which images i and j agree.

    A rectifier is on where its input is above 0; of smooth ones (swish, h-swish) that is taken as well. The network is
    left as it is.

    Args:
        network: freshly initialised; batch normalisation uses the statistics of the batch.
        shape: of one input (N, C, H, W), N is replaced by `IMAGES`.
        seed: of the noise.

    Raises:
        ModelError: no rectifiers that are modules, or two images that no rectifier tells apart.
    """
    codes: list[Tensor] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, given: codes.append((given[0] > 0).flatten(1)))
        for module in network.modules()
        if isinstance(module, _RECTIFIERS)
    ]
    kept = {name: buffer.clone() for name, buffer in network.named_buffers()}
    was_training = network.training
    noise = torch.randn(IMAGES, *shape[1:], generator=torch.Generator().manual_seed(seed))
    try:
        with torch.no_grad():
            network.train()(noise)
    finally:
        for hook in hooks:
            hook.remove()
        network.train(was_training)
        for name, buffer in network.named_buffers():
            buffer.copy_(kept[name])
    if not codes:
        raise ModelError("naswot needs rectifiers that are modules, and the network has none")
    return score_of(torch.cat(codes, 1))


def score_of(codes: Tensor) -> float:
    """The same from the codes: (images, rectifiers), true where on.

    Raises:
        ModelError: two images have the same code.
    """
    on = codes.double()
    agreeing = on @ on.T + (1 - on) @ (1 - on).T
    sign, logarithm = torch.linalg.slogdet(agreeing)
    if sign <= 0 or not bool(torch.isfinite(logarithm)):
        raise ModelError("naswot: no rectifier of the network tells two images apart")
    return float(logarithm)


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's, equal values sharing the mean of their ranks; 0 where all are equal.

    >>> rank_correlation([1, 2, 3, 4], [10, 20, 40, 30])
    0.8
    """
    a, b = _ranks(one), _ranks(other)
    middle = (len(a) + 1) / 2
    both = sum((x - middle) * (y - middle) for x, y in zip(a, b, strict=True))
    spread = sum((x - middle) ** 2 for x in a) * sum((y - middle) ** 2 for y in b)
    return both / spread**0.5 if spread else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    places = sorted(values)
    first = {value: places.index(value) for value in places}
    return [first[value] + (places.count(value) + 1) / 2 for value in values]
