"""`Judge`: how often the networks of a space are wrong with shared weights; `calibrate`, without which they all would be.

The statistics of a network's normalisations are not those of the networks that shared its weights: they are averaged
anew over some batches (Yu and Huang 2019, arXiv:1903.05134, sec. 3.3; Cai et al. 2019, arXiv:1908.09791, sec. 4.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from steelyard.data.loader import Batch
from steelyard.design.sharing.base import SharedWeights
from steelyard.design.sharing.data import Images
from steelyard.design.spaces.base import Point

CALIBRATION = 1024
"""Images that normalisations are averaged over, or a few more."""


def calibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Sets the statistics of all batch normalisations to their means over some batches; the network is left in eval mode.

    Args:
        network: whose other parts are in eval mode meanwhile.
        batches: of images (N, C, H, W), as networks are trained on.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
        norm.train()
    try:
        with torch.no_grad():
            for images in batches:
                network(images)
    finally:
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
        network.eval()


class Judge:
    """Tells the error of any network of a space with the weights that it shares with the others.

    Args:
        shared: the weights.
        images: the networks are calibrated on those that weights learn from and judged by the others.
    """

    def __init__(self, shared: SharedWeights, images: Images) -> None:
        self.shared, self.images = shared, images
        self._calibrating: list[Tensor] = []
        self._judging: list[Batch] = []

    def network(self, point: Point) -> nn.Module:
        """The network of a point with its weights, calibrated."""
        network = self.shared.extract(point)
        calibrate(network, (self.shared.sized(x, point) for x in self._calibration()))
        return network

    def __call__(self, point: Point) -> float:
        """The share of the judging images that are wrong."""
        network, wrong, count = self.network(point), 0, 0
        if not self._judging:
            self._judging = list(self.images.judge.epoch(0))
        with torch.no_grad():
            for batch in self._judging:
                chosen = network(self.shared.sized(batch.images, point)).argmax(1)
                wrong += int((chosen != batch.labels).sum())
                count += len(batch)
        return wrong / count

    def _calibration(self) -> Sequence[Tensor]:
        if not self._calibrating:
            seen = 0
            for batch in self.images.train.epoch(0):
                self._calibrating.append(batch.images)
                seen += len(batch)
                if seen >= CALIBRATION:
                    break
        return self._calibrating
