"""NASNet: three stacks of a searched normal cell around two reduction cells; Zoph et al. 2017 (arXiv:1707.07012).

What the paper leaves open follows the authors' code, tensorflow/models research/slim nets/nasnet.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from steelyard.errors import UsageError
from steelyard.layers.cell_ops import OpStyle
from steelyard.layers.sizes import out_size
from steelyard.zoo.catalog.nasnet import NASNetConfig
from steelyard.zoo.cell_network import AuxiliaryHead, CellChain, CellNetwork, MapSize, fan_out
from steelyard.zoo.config import scaled
from steelyard.zoo.genotypes import genotype


class Stem(NamedTuple):
    """What stands before the first normal cell.

    Attributes:
        channels: of the 3x3 convolution.
        stride, padding: of it.
        cells: channels of the reduction cells behind it.
        raw: whether the first cell takes its older input without projection.
    """

    channels: int
    stride: int
    padding: int
    cells: tuple[int, ...]
    raw: bool = True


class NASNet(CellNetwork):
    """Stem, N cells, reduction, N cells, reduction, N cells, ReLU, pooling, classifier.

    (N, 3, H, W) -> (N, classes); in training with an auxiliary head -> `CellOutputs`. Each reduction
    doubles the filters. On ImageNet the stem has two more reduction cells.
    """

    def __init__(self, config: NASNetConfig) -> None:
        super().__init__()
        self.config = config
        # the stem's first cells have a quarter of them
        self.filters = max(4, scaled(config.filters, config.width))
        plan = self.plan()
        eps = 1e-3 if plan.stride > 1 else 1e-5
        zeros = config.average_border == "zeros"
        style = OpStyle("same_zeros" if zeros else "same", "conv", eps)
        self.stem = self._stem(plan, eps)
        first = MapSize(plan.channels, plan.stride // 2)
        self.chain = CellChain(style, "changed", first, first)
        self._cells(plan)
        aux = self._aux(plan) if config.aux_head else None
        self.finish(config.num_classes, relu=True, dropout=config.dropout, aux=aux)
        self.chain.schedule(config.drop_path)
        self.apply(fan_out)

    def plan(self) -> Stem:
        """The stem that the settings ask for."""
        if self.config.stem == "cifar":
            return Stem(3 * self.filters, 1, 1, ())
        if self.config.stem == "torchgpipe":
            quarter, half = max(2, self.filters // 4), max(2, self.filters // 2)
            return Stem(quarter, 2, 1, (half, self.filters), raw=False)
        channels = scaled(self.config.stem_channels, self.config.width)
        return Stem(channels, 2, 0, (max(2, self.filters // 4), max(2, self.filters // 2)))

    def _stem(self, plan: Stem, eps: float) -> nn.Sequential:
        step = nn.Sequential()
        conv = nn.Conv2d(
            self.config.in_channels, plan.channels, 3, plan.stride, plan.padding, bias=False
        )
        step.add_module("conv", conv)
        step.add_module("bn", nn.BatchNorm2d(plan.channels, eps=eps))
        stem = nn.Sequential()
        stem.add_module("conv0", step)
        return stem

    def _cells(self, plan: Stem) -> None:
        config, cells = self.config, genotype(self.config.cell)
        raw = plan.raw
        for i, channels in enumerate(plan.cells):
            self.chain.add(f"cell_stem_{i}", cells.reduction, channels, 2, raw=raw)
            raw = False
        for i in range(3 * config.cells):
            stack = i // config.cells
            channels = self.filters * 2**stack
            stride = 2 if stack and i % config.cells == 0 else 1
            if stride == 2 and config.reductions == "cells":
                keep = config.skip_reduction_input
                name = f"reduction_cell_{stack - 1}"
                self.chain.add(name, cells.reduction, channels, 2, keep=keep)
                stride = 1
            self.chain.add(f"cell_{i}", cells.normal, channels, stride, raw=raw)
            raw = False
            if i == 2 * config.cells - 1:
                self.middle = self.chain.current

    def _aux(self, plan: Stem) -> tuple[str, AuxiliaryHead]:
        config = self.config
        side = out_size(config.resolution, 3, plan.stride, plan.padding)
        for _ in range(len(plan.cells) + 1):
            side = out_size(side, 1, 2)
        if side < 5:
            raise UsageError(
                f"resolution={config.resolution} gives the auxiliary head a map of {side}",
                expected="at least 5, e.g. resolution=224 (32 with the CIFAR stem)",
            )
        head = AuxiliaryHead(self.middle.channels, side, config.num_classes)
        return f"cell_{2 * config.cells - 1}", head
