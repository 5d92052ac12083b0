"""`CellNetwork`: a stem, a chain of cells that each see the two maps before them, a classifier.

What NASNet, AmoebaNet, ENAS and DARTS have in common; Zoph et al. 2017 (arXiv:1707.07012), fig. 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor, nn

from steelyard.layers.cell import Cell
from steelyard.layers.cell_ops import OpStyle, Projection
from steelyard.layers.drop_path import DropPath
from steelyard.layers.factorized_reduction import FactorizedReduction
from steelyard.layers.genotype import CellGraph
from steelyard.zoo.network import Network, shrinks

Adapt = Literal["changed", "always", "twice"]
"""How a cell brings its inputs to its width: the older one is projected where its channels differ, or
always; the newer one always, and twice where its channels differ."""


class CellOutputs(NamedTuple):
    """What a network with an auxiliary head returns in training: twice (N, classes)."""

    logits: Tensor
    aux: Tensor


@dataclass(frozen=True, slots=True)
class MapSize:
    """What is known of a map while the network is put together: channels, and how often it was halved."""

    channels: int
    halvings: int


class CellChain(nn.Module):
    """Cells, each fed with the outputs of the two before it.

    Args:
        style: details of the operations.
        adapt: how the cells bring their inputs to their width.
        previous, current: the maps that the stem gives.

    Attributes:
        previous, current: the maps that the next cell to be added will see.
    """

    def __init__(self, style: OpStyle, adapt: Adapt, previous: MapSize, current: MapSize) -> None:
        super().__init__()
        self.previous = previous
        self.current = current
        self.style = style
        self.adapt = adapt
        self.cells = nn.ModuleDict()
        self.keeping: set[str] = set()

    def add(
        self,
        name: str,
        graph: CellGraph,
        channels: int,
        stride: int,
        *,
        raw: bool = False,
        keep: bool = False,
    ) -> None:
        """Appends a cell.

        Args:
            name: of the module.
            graph: the cell.
            channels: of its states.
            stride: 2 in a reduction cell.
            raw: the older input is taken as it is.
            keep: the next cell sees the same older input as this one.
        """
        older, newer = self.previous, self.current
        previous, width = self._previous(channels, raw)
        current: nn.Module = Projection(newer.channels, channels, self.style)
        if self.adapt == "twice" and newer.channels != channels:
            current = nn.Sequential(current, Projection(channels, channels, self.style))
        self.cells[name] = cell = Cell(
            graph,
            channels,
            previous=previous,
            current=current,
            widths=(width, channels),
            stride=stride,
            style=self.style,
        )
        if keep:
            self.keeping.add(name)
        self.previous = older if keep else newer
        self.current = MapSize(cell.out_channels, newer.halvings + stride // 2)

    def _previous(self, channels: int, raw: bool) -> tuple[nn.Module, int]:
        """What brings the older input to the cell's width, and the channels that it gives."""
        older = self.previous
        if raw:
            return nn.Identity(), older.channels
        if older.halvings != self.current.halvings:
            even = channels // 2 * 2  # the authors' code takes int(channels / 2) twice
            return FactorizedReduction(older.channels, even, eps=self.style.eps), even
        if older.channels != channels or self.adapt == "always":
            return Projection(older.channels, channels, self.style), channels
        return nn.Identity(), channels

    def schedule(self, rate: float, progress: float = 1.0, *, over_cells: bool = True) -> None:
        """Scheduled drop-path: sets the cells' rates.

        Args:
            rate: share of samples that lose an edge of the last cell at the end of the training.
            progress: the part of the training that is done, 0 to 1; the rate is proportional to it.
            over_cells: whether the rate grows linearly from the first cell to the last one
                (Zoph et al. 2017, sec. A.4), or is the same in all of them.
        """
        for i, cell in enumerate(self.cells.values(), 1):
            drop = cell.get_submodule("drop_path")
            if isinstance(drop, DropPath):
                drop.rate = rate * progress * (i / len(self.cells) if over_cells else 1)

    def walk(self, previous: Tensor, current: Tensor) -> Iterator[tuple[str, Tensor]]:
        """(N, A, H', W'), (N, B, H, W) -> name and output of every cell, in order."""
        for name, cell in self.cells.items():
            out: Tensor = cell(previous, current)
            previous, current = (previous if name in self.keeping else current), out
            yield name, out


class AuxiliaryHead(nn.Sequential):
    """Classifier for training on a map in the middle: (N, C, side, side) -> (N, classes).

    5x5 average pooling, 1x1 convolution to 128, convolution over the whole map to 768, classifier.

    Args:
        in_channels: C.
        side: of the map, at least 5.
        num_classes: of the classifier.
        stride: of the pooling.
        bias: whether the classifier has one.
        norm: whether batch normalisation follows the convolution over the whole map.
    """

    def __init__(
        self,
        in_channels: int,
        side: int,
        num_classes: int,
        *,
        stride: int = 3,
        bias: bool = True,
        norm: bool = True,
    ) -> None:
        pooled = (side - 5) // stride + 1
        super().__init__(
            nn.ReLU(),
            nn.AvgPool2d(5, stride),
            nn.Conv2d(in_channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 768, pooled, bias=False),
            nn.BatchNorm2d(768) if norm else nn.Identity(),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(768, num_classes, bias=bias),
        )


class CellNetwork(Network):
    """Stem, chain of cells, global average pooling, classifier: (N, 3, H, W) -> (N, classes).

    A derived class makes ``stem`` and ``chain``, then calls `finish`.
    """

    stem: nn.Sequential
    chain: CellChain
    stem_maps: int = 1  # how many of the stem's last maps the cells begin with

    def finish(
        self,
        num_classes: int,
        *,
        relu: bool,
        dropout: float = 0.0,
        bias: bool = True,
        aux: tuple[str, AuxiliaryHead] | None = None,
    ) -> None:
        """Adds the classifier.

        Args:
            num_classes: its size.
            relu: whether the last map passes a ReLU.
            dropout: share of the pooled features that training drops.
            bias: whether the classifier has one.
            aux: the cell that an auxiliary head hangs on, and the head.
        """
        self.act = nn.ReLU() if relu else nn.Identity()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(self.chain.current.channels, num_classes, bias=bias)
        self.aux_at = aux[0] if aux else ""
        self.aux = aux[1] if aux else None

    def maps(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """(N, 3, H, W) -> name and output of every step of the stem and every cell, in order."""
        previous = x
        for name, step in self.stem.named_children():
            previous, x = x, step(x)
            yield f"stem.{name}", x
        yield from self.chain.walk(previous if self.stem_maps == 2 else x, x)

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.drop(self.avgpool(self.act(x)).flatten(1)))
        return out

    def forward(self, x: Tensor) -> Tensor | CellOutputs:
        """(N, 3, H, W) -> (N, classes); in training with an auxiliary head two of them."""
        aux: Tensor | None = None
        for name, y in self.maps(x):
            x = y
            if self.aux is not None and self.training and name == self.aux_at:
                aux = self.aux(x)
        logits = self.classify(x)
        return logits if aux is None else CellOutputs(logits, aux)

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The last map of every resolution, largest first: (N, C, H, W) -> (N, C_i, H_i, W_i), ..."""
        found: list[Tensor] = []
        for _, y in self.maps(x):
            if found and not shrinks(found[-1], y):
                found.pop()
            found.append(y)
        return tuple(found)


def fan_out(module: nn.Module) -> None:
    """Weights N(0, 2 / fan_out), the fan of one group; biases 0: what slim's networks of cells start from.

    tensorflow/models research/slim nets/nasnet: ``variance_scaling_initializer(mode='FAN_OUT')``.
    """
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        groups = module.groups if isinstance(module, nn.Conv2d) else 1
        fan = module.weight.shape[0] // groups * module.weight[0, 0].numel()
        nn.init.normal_(module.weight, std=(2 / fan) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
