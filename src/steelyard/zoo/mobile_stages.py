"""Stages of inverted residuals as data, and the settings of the networks built from them; no torch.

MobileNetV2 and V3, MnasNet, EfficientNet and EfficientNet-Lite are each a tuple of `Stage`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from steelyard.errors import UsageError
from steelyard.zoo.config import MAX_SIZE, ImageConfig, setting

Activation = Literal["relu", "relu6", "swish", "h_swish"]
Keys = tuple[tuple[str, str], ...]

MAX_BLOCKS = 1024
"""No stage has more blocks, no network more stages."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Stage:
    """Inverted residuals in a row, of which the first carries the stride.

    Attributes:
        channels: of the output, at width 1.
        repeats: blocks, at depth 1.
        kernel: side of the depthwise filters, odd.
        stride: 1 or 2.
        expansion: channels of the depthwise convolution over those of the block's input.
        se: channels inside the squeeze-and-excitation over those that the family goes by (the block's
            input, in MobileNetV3 the depthwise convolution); 0: none.
        activation: where it is not the network's.
        skip: identity shortcuts where shapes agree.

    Raises:
        UsageError: an impossible value.
    """

    channels: int
    repeats: int = 1
    kernel: int = 3
    stride: int = 1
    expansion: float = 6
    se: float = 0
    activation: Activation | None = None
    skip: bool = True

    def __post_init__(self) -> None:
        self._check("channels", 1 <= self.channels <= MAX_SIZE, f"1 to {MAX_SIZE}")
        self._check("repeats", 1 <= self.repeats <= MAX_BLOCKS, f"1 to {MAX_BLOCKS}")
        self._check("kernel", 1 <= self.kernel <= 99 and self.kernel % 2 == 1, "odd, 1 to 99")
        self._check("stride", self.stride in (1, 2), "1 or 2")
        self._check("expansion", 0 < self.expansion <= 1024, "above 0, at most 1024")
        self._check("se", 0 <= self.se <= 64, "0 (none) to 64")
        names = get_args(Activation)
        known = self.activation is None or self.activation in names
        self._check("activation", known, "None or one of " + ", ".join(names))

    def __repr__(self) -> str:
        values = ((f.name, getattr(self, f.name), f.default) for f in dataclasses.fields(self))
        given = (f"{name}={value!r}" for name, value, default in values if value != default)
        return f"Stage({', '.join(given)})"

    def _check(self, name: str, possible: bool, expected: str) -> None:
        if not possible:
            raise UsageError(
                f"Stage({name}={getattr(self, name)!r}) is not possible", expected=expected
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileConfig(ImageConfig):
    """Settings that networks of inverted residuals share; each family has its own defaults."""

    stages: tuple[Stage, ...] = setting((), "the stages, steelyard.zoo.mobile_stages.Stage each")
    depth: float = setting(
        1.0, "multiplies the blocks of every stage, rounded up", low=0.01, high=64
    )
    deepen_ends: bool = setting(True, "depth also multiplies the first and the last stage")
    stem_channels: int = setting(32, "channels of the first convolution", low=1, high=MAX_SIZE)
    stem: Literal["imagenet", "cifar"] = setting(
        "imagenet", "cifar: stride 1 in the first convolution and in the first stage that has 2"
    )
    scale_stem: bool = setting(True, "width also multiplies the first convolution's channels")
    head_channels: int = setting(1280, "channels before the last layer", low=1, high=MAX_SIZE)
    scale_head: Literal["never", "up", "always"] = setting(
        "never", "whether width also multiplies head_channels; up: only where it is above 1"
    )
    activation: Literal["relu", "relu6", "swish", "h_swish"] = setting(
        "relu6", "behind normalisations, unless a stage has its own"
    )
    dropout: float = setting(0.2, "rate before the last layer", low=0, high=1)
    drop_path: float = setting(
        0.0, "rate of stochastic depth, grows linearly up to here", low=0, high=1
    )
    padding: Literal["torch", "same"] = setting(
        "torch", "half the kernel on every side, or TensorFlow's SAME"
    )
    bn_eps: float = setting(1e-5, "added to the variance", low=1e-12, high=1)
    bn_momentum: float = setting(0.1, "share of new statistics", low=0, high=1)


def rounded(channels: float, divisor: int = 8) -> int:
    """The nearest multiple, at least one, but never below 90 % of what was asked.

    The rule of the authors' code from MobileNetV2 on.

    >>> rounded(24 * 0.75), rounded(16 * 0.35), rounded(88 * 0.75)
    (24, 8, 64)
    """
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * channels else nearest + divisor


def strides_in(stem: Literal["imagenet", "cifar"], strides: Iterable[int]) -> list[int]:
    """Stride of the first convolution and of what follows.

    >>> strides_in("imagenet", (1, 2, 2)), strides_in("cifar", (1, 2, 2))
    ([2, 1, 2, 2], [1, 1, 1, 2])
    """
    every = [2, *strides]
    if stem == "cifar":
        every[0] = 1
        if 2 in every:
            every[every.index(2)] = 1
    return every


def blocks_in(config: MobileConfig) -> list[int]:
    """Blocks of every stage."""
    last = len(config.stages) - 1
    return [
        stage.repeats
        if i in (0, last) and not config.deepen_ends
        else math.ceil(stage.repeats * config.depth)
        for i, stage in enumerate(config.stages)
    ]


def timm_keys(stages: Sequence[tuple[int, bool]], *, nested: bool, conv_head: bool = True) -> Keys:
    """How timm's names of weights become ours, see `steelyard.zoo.registry.Family.keys`.

    Args:
        stages: (blocks, whether they have squeeze-and-excitation) of each of timm's stages; the blocks
            of the first have no expanding convolution.
        nested: our stages are modules, not only our blocks.
        conv_head: the last convolution is timm's ``conv_head``, not a stage.
    """
    pairs = [(r"^conv_stem\.", "features.0.0."), (r"^bn1\.", "features.0.1.")]
    count = 1
    for s, (blocks, se) in enumerate(stages):
        if nested:
            places = [(rf"{s}\.(\d+)", rf"{s + 1}.\1")]
        else:
            places = [(rf"{s}\.{r}", f"{count + r}") for r in range(blocks)]
        count += blocks
        for theirs, ours in places:
            pairs += [
                (rf"^blocks\.{theirs}\.{name}\.", f"features.{ours}.block.{step}.")
                for name, step in _timm_block(expands=s > 0, se=se)
            ]
    last = len(stages) + 1 if nested else count
    if conv_head:
        pairs += [(r"^conv_head\.", f"features.{last}.0."), (r"^bn2\.", f"features.{last}.1.")]
        pairs += [(r"^classifier\.", "classifier.1.")]
    else:
        pairs += [
            (rf"^blocks\.{len(stages)}\.0\.conv\.", f"features.{last}.0."),
            (rf"^blocks\.{len(stages)}\.0\.bn1\.", f"features.{last}.1."),
            (r"^classifier\.", "classifier.3."),
            (r"^conv_head\.", "classifier.0."),
        ]
    return tuple(pairs)


def _timm_block(*, expands: bool, se: bool) -> list[tuple[str, str]]:
    """timm's names inside a block, and our steps."""
    names = ["conv_pw", "conv_dw", "conv_pwl"] if expands else ["conv_dw", "conv_pw"]
    last = len(names) - 1
    pairs = []
    for i, name in enumerate(names):
        step = i + (se and i == last)
        pairs += [(name, f"{step}.0"), (f"bn{i + 1}", f"{step}.1")]
    if se:
        pairs += [(r"se\.conv_reduce", f"{last}.fc1"), (r"se\.conv_expand", f"{last}.fc2")]
    return pairs
