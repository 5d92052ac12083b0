"""Convolutional neural fabrics, for classification and for labelling pixels; Saxena and Verbeek 2016 (arXiv:1606.02492).

Edges as the authors' generator draws them (shreyassaxena/convolutional-neural-fabrics).
"""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.fabric import FabricJoin, Source
from steelyard.zoo.catalog.neural_fabric import NeuralFabricConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network


class NeuralFabric(Network):
    """Layers x scales of joins, each fed by three scales of the layer before it.

    (N, 3, H, W) -> (N, classes), or (N, classes, H, W) to label pixels. The image enters at the finest
    scale of the first layer and is passed down to the coarser ones; in the last layer all scales are
    passed on to the coarsest (or to the finest, to label pixels), which is the output.

    Raises:
        UsageError: fewer than two scales.
    """

    def __init__(self, config: NeuralFabricConfig) -> None:
        super().__init__()
        self.config = config
        channels = scaled(config.channels, config.width)
        self.scales = config.scales or 1 + (config.resolution - 1).bit_length()
        if self.scales < 2:
            raise UsageError(
                f"scales={self.scales} make no fabric", expected="2 or more, a resolution above 1"
            )
        self.segments = config.task == "segment"
        image = FabricJoin(channels, ["same"], in_channels=config.in_channels)
        sparse = config.connectivity == "sparse"
        down = [FabricJoin(channels, ["finer"], sparse=sparse) for _ in range(self.scales - 1)]
        self.layers = nn.ModuleList([nn.ModuleList([image, *down])])
        for layer in range(1, config.layers):
            last = layer == config.layers - 1
            joins = [
                FabricJoin(channels, self._sources(scale, last), sparse=sparse)
                for scale in range(self.scales)
            ]
            self.layers.append(nn.ModuleList(joins))
        self.score = nn.Conv2d(channels, config.num_classes, 1)
        self.apply(init.gaussian if config.connectivity == "dense" else init.caffe_xavier)

    def _sources(self, scale: int, last: bool) -> list[Source]:
        """The three scales of the layer before, and in the last layer a scale of that layer itself."""
        sources: list[Source] = ["same"]
        sources += ["finer"] * (scale > 0)
        sources += ["coarser"] * (scale < self.scales - 1)
        if last:
            sources += (
                ["coarser"] * (scale < self.scales - 1)
                if self.segments
                else ["finer"] * (scale > 0)
            )
        return sources

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The maps of the last layer, the finest first: (N, 3, H, W) -> (N, C, ceil(H/2^i), ceil(W/2^i)), ..."""
        first, *others = self.layers.children()
        maps = []
        for join in first.children():
            x = join([x])
            maps.append(x)
        for layer in others[:-1]:
            maps = [join(self._around(maps, i)) for i, join in enumerate(layer.children())]
        passed: list[Tensor] = []
        joins = list(enumerate(others[-1].children()))
        for scale, join in reversed(joins) if self.segments else joins:
            passed.append(join([*self._around(maps, scale), *passed[-1:]]))
        return tuple(reversed(passed) if self.segments else passed)

    def _around(self, maps: list[Tensor], scale: int) -> list[Tensor]:
        """A layer's map of that scale, the finer and the coarser one."""
        finer, coarser = maps[max(0, scale - 1) : scale], maps[scale + 1 : scale + 2]
        return [maps[scale], *finer, *coarser]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, classes), or (N, classes, H, W)."""
        maps = self.feature_maps(x)
        if self.segments:
            scores: Tensor = self.score(maps[0])
            return scores
        return self.classify(maps[-1])

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q), 1x1 at the resolution it is made for -> (N, classes)."""
        out: Tensor = self.score(x).mean(dim=(2, 3))
        return out
