"""FE-Net: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class FENetConfig(ImageConfig):
    """Settings of an FE-Net."""

    units: tuple[int, ...] = setting(
        (2, 3, 3, 3, 2),
        "residual units per block, each on twice the channels of the one before",
        low=1,
        high=8,
    )
    strides: tuple[int, ...] = setting(
        (2, 2, 1, 2, 1), "1 or 2 per block; at 2 it pools and doubles the channels", low=1, high=2
    )
    expansion: int = setting(6, "inner channels for each outer one", low=1, high=64)
    inner: Literal["output", "input"] = setting(
        "output",
        "which channels of a bottleneck are expanded: those that go out (the released code) or those that come in "
        "(a line in it that is commented out; fewer MACs)",
    )
    head: int = setting(
        1932, "channels of the last 1x1 convolution, at every width", low=1, high=2**20
    )
    dropout: float = setting(0.2, "of the classifier's input", low=0, high=0.99)

    def __post_init__(self) -> None:
        if len(self.units) != len(self.strides):
            raise UsageError(
                f"units={self.units!r} gives {len(self.units)} blocks, strides={self.strides!r} "
                f"{len(self.strides)}",
                expected="as many numbers in both",
            )


_NOTES = (
    "The authors' released code (hikvision-research/SparseShiftLayer) as it is. It has more parameters and MACs than "
    "the README and the paper state; the training log they publish prints this network. inner='input', a line in "
    "the code that is commented out, gives 563.7 M MACs and 6.0 M parameters at 1.375x, against 563 M and 5.9 M stated; "
    "at 1.0x it gives 307 M and 4.2 M, and only with a last convolution of some 1480 channels (head=1480) the 301 M and "
    "3.7 M stated. Displacements are parameters, two for each shifted channel, as PyTorch counts the authors' code; "
    "`steelyard.layers.sparse_shift.fix_shifts` makes them constants. They start as a grouped 3x3 shift."
)
_SMALL = " The paper's figures for this width could not be found."

FAMILIES = (
    Family(
        name="FE-Net",
        builder="steelyard.zoo.fe_net:FENet",
        config=FENetConfig,
        paper=Paper(
            "All You Need is a Few Shifts: Designing Efficient Convolutional Neural Networks for Image "
            "Classification",
            "Chen, Xie, Zhang, Pu",
            2019,
            "CVPR 2019",
            "1903.05285",
        ),
        models=(
            Model("fe_net_x0_625", {"width": 0.625}, _NOTES + _SMALL),
            Model("fe_net_x1_0", {}, _NOTES),
            Model("fe_net_x1_375", {"width": 1.375}, _NOTES),
        ),
    ),
)
