"""DARTS: a chain of searched cells, two of them reductions; Liu et al. 2018 (arXiv:1806.09055).

Layout of the authors' code, quark0/darts cnn/model.py. The paper does not speak of initial weights and
the code leaves them to PyTorch, as does this.
"""

from __future__ import annotations

from torch import nn

from steelyard.errors import UsageError
from steelyard.layers.cell_ops import OpStyle
from steelyard.layers.sizes import out_size
from steelyard.zoo.catalog.darts import DARTSConfig
from steelyard.zoo.cell_network import AuxiliaryHead, CellChain, CellNetwork, MapSize
from steelyard.zoo.config import scaled
from steelyard.zoo.genotypes import genotype


class DARTS(CellNetwork):
    """Stem, L cells, pooling, classifier: (N, 3, H, W) -> (N, classes).

    In training with an auxiliary head -> `CellOutputs`.
    """

    def __init__(self, config: DARTSConfig) -> None:
        super().__init__()
        self.config = config
        self.filters = 2 * scaled(config.filters, config.width / 2)
        if config.width == 1 and config.filters % 2:
            raise UsageError(
                f"filters={config.filters}: a factorised reduction makes two halves",
                expected="an even number",
            )
        self.stem, previous, current = self._stem()
        style = OpStyle("symmetric", "factorized", 1e-5)
        self.chain = CellChain(style, "always", previous, current)
        cells, channels = genotype(config.cell), self.filters
        reductions = (config.layers // 3, 2 * config.layers // 3)
        middle = self.chain.current
        for i in range(config.layers):
            reduces = i in reductions
            channels *= 2 if reduces else 1
            graph = cells.reduction if reduces else cells.normal
            self.chain.add(str(i), graph, channels, 2 if reduces else 1)
            if i == reductions[1]:
                middle = self.chain.current
        aux = self._aux(middle, str(reductions[1])) if config.aux_head else None
        self.finish(config.num_classes, relu=False, aux=aux)
        self.chain.schedule(config.drop_path, over_cells=False)

    def _stem(self) -> tuple[nn.Sequential, MapSize, MapSize]:
        """The stem, and the two maps that the first cell sees."""
        config, c = self.config, self.filters
        if config.stem == "cifar":
            only = MapSize(3 * c, 0)
            return nn.Sequential(_conv_bn(config.in_channels, 3 * c, 1)), only, only
        self.stem_maps = 2
        stem = nn.Sequential(
            _conv_bn(config.in_channels, c // 2, 2),
            nn.Sequential(nn.ReLU(), *_conv_bn(c // 2, c, 2)),
            nn.Sequential(nn.ReLU(), *_conv_bn(c, c, 2)),
        )
        return stem, MapSize(c, 2), MapSize(c, 3)

    def _aux(self, middle: MapSize, name: str) -> tuple[str, AuxiliaryHead]:
        config = self.config
        imagenet, side = config.stem == "imagenet", config.resolution
        for _ in range(middle.halvings):
            side = out_size(side, 1, 2)
        if side < 5:
            raise UsageError(
                f"resolution={config.resolution} gives the auxiliary head a map of {side}",
                expected="at least 5, e.g. resolution=224 (32 with the CIFAR stem)",
            )
        # the authors left the second normalisation of the ImageNet head out and kept it so
        stride = 2 if imagenet else 3
        head = AuxiliaryHead(
            middle.channels, side, config.num_classes, stride=stride, norm=not imagenet
        )
        return name, head


def _conv_bn(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels))
