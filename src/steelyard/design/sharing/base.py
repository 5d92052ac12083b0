"""`SharedWeights`: the networks of a space, all with the same weights: what such a super-network can do."""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.design.spaces.base import Point, SearchSpace


class SharedWeights(nn.Module):
    """Weights from which every network of a space takes its own.

    Within it normalisations use the statistics of the batch, and dropout is only in the network that `drops`. A network
    that is taken out is an ordinary one of the space; its normalisations must be calibrated before it is used.

    Attributes:
        space: whose networks.
    """

    space: SearchSpace

    @abstractmethod
    def forward(self, images: Tensor, point: Point) -> Tensor:
        """The network of a point on images that have its size: (N, C, H, W) -> (N, classes)."""

    @abstractmethod
    def extract(self, point: Point) -> nn.Module:
        """The network of a point as an ordinary one, with copies of its weights."""

    def sized(self, images: Tensor, point: Point) -> Tensor:
        """Images in the resolution of a point: (N, C, H, W) -> (N, C, H', W')."""
        size = self.space.input_shape(point)[2:]
        if tuple(images.shape[2:]) == size:
            return images
        return F.interpolate(images, size=size, mode="bilinear", antialias=True)


def built(space: SearchSpace, point: Point) -> nn.Module:
    """The network of a point, the random numbers left as they were."""
    with torch.random.fork_rng(devices=[]):
        return space.build(point)


def forget_statistics(network: nn.Module) -> None:
    """Its batch normalisations use the statistics of the batch from now on, in eval mode, too."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.track_running_stats = False
            norm.running_mean = norm.running_var = norm.num_batches_tracked = None
