"""ENAS, micro search space: a chain of searched cells; Pham et al. 2018 (arXiv:1802.03268), sec. 2.4.

Layout and initial weights of the authors' code, melodyguan/enas src/cifar10/micro_child.py.
"""

from __future__ import annotations

from torch import nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.cell_ops import OpStyle
from steelyard.layers.sizes import out_size
from steelyard.zoo.catalog.enas import ENASMicroConfig
from steelyard.zoo.cell_network import AuxiliaryHead, CellChain, CellNetwork, MapSize
from steelyard.zoo.config import scaled
from steelyard.zoo.genotypes import genotype


class ENASMicro(CellNetwork):
    """Stem, N + 2 cells, ReLU, pooling, classifier: (N, 3, H, W) -> (N, classes).

    In training with an auxiliary head -> `CellOutputs`.
    """

    def __init__(self, config: ENASMicroConfig) -> None:
        super().__init__()
        channels = 2 * scaled(config.filters, config.width / 2)
        if config.width == 1 and config.filters % 2:
            raise UsageError(
                f"filters={config.filters}: a factorised reduction makes two halves",
                expected="an even number",
            )
        stem = MapSize(3 * channels, 0)
        conv = nn.Conv2d(config.in_channels, stem.channels, 3, padding=1, bias=False)
        self.stem = nn.Sequential(nn.Sequential(conv, nn.BatchNorm2d(stem.channels)))
        style = OpStyle("same", "factorized_linear", 1e-5)
        self.chain = CellChain(style, "twice", stem, stem)
        third = config.cells // 3
        reductions = (third, 2 * third + 1)
        cells = genotype(config.cell)
        aux: tuple[str, AuxiliaryHead] | None = None
        for i in range(config.cells + 2):
            reduces = i in reductions
            channels *= 2 if reduces else 1
            graph = cells.reduction if reduces else cells.normal
            self.chain.add(str(i), graph, channels, 2 if reduces else 1)
            if config.aux_head and i == reductions[1] + 1:
                aux = (str(i), self._aux(config))
        self.finish(config.num_classes, relu=True, dropout=config.dropout, bias=False, aux=aux)
        self.chain.schedule(config.drop_path)
        self.apply(init.variance_scaling)

    def _aux(self, config: ENASMicroConfig) -> AuxiliaryHead:
        side = out_size(out_size(config.resolution, 1, 2), 1, 2)
        if side < 5:
            raise UsageError(
                f"resolution={config.resolution} gives the auxiliary head a map of {side}",
                expected="at least 5, e.g. resolution=32",
            )
        return AuxiliaryHead(self.chain.current.channels, side, config.num_classes, bias=False)
