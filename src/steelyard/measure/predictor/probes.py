"""`probe`: a random network made by the general rules by which convolutional networks are designed.

No list of layers of any real network is used. Blocks are of the kinds that the literature knows (plain, residual,
bottleneck, inverted residual, dense, branches, shuffle units, separable cells, gates), their widths, kernels, strides,
groups and the sizes of the maps are drawn at random, so that every operator is met in many shapes, each among
neighbours such as it has in networks: its input just written, its weights long not read.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from torch import nn

from steelyard.measure.predictor import steps as s
from steelyard.measure.predictor.draft import Draft, bare, width

RESOLUTIONS = (224, 224, 224, 224, 224, 192, 240, 256, 260, 227, 299, 128, 32)
"""Of photographs."""


def plain(d: Draft) -> None:
    """One to three convolutions."""
    for _ in range(d.dice.randint(1, 3)):
        kernel = d.dice.choice((1, 3, 3, 3, 5)) if d.size > 5 else d.dice.choice((1, 3))
        spread = (
            d.dice.choice((2, 4)) if kernel == 3 and d.size > 8 and d.dice.random() < 0.1 else 1
        )
        d.conv(width(d.dice, d.size), kernel, d.stride(), dilation=spread)


def gate(d: Draft, share: int) -> None:
    """Channels weighed by what a small network says of their means (squeeze and excitation)."""
    here, channels, size = d.at, d.channels, d.size
    d.put(nn.AdaptiveAvgPool2d(1))
    d.size = 1
    d.conv(max(4, channels // share), norm=False, act=False)
    d.put(d.dice.choice((nn.ReLU(inplace=True), nn.SiLU(inplace=True))))
    d.conv(channels, norm=False, act=False)
    d.put(d.dice.choice((nn.Sigmoid(), nn.Hardsigmoid(inplace=True))))
    d.apply(s.mul, here, d.at)
    d.channels, d.size = channels, size


def _join(d: Draft, kept: int) -> None:
    d.apply(d.dice.choice((s.add, s.add_)), d.at, kept)


def residual(d: Draft) -> None:
    """Basic or bottleneck, perhaps with groups or a gate."""
    out, stride = width(d.dice, d.size), d.stride()
    start, channels, size = d.at, d.channels, d.size
    kept = start
    if stride > 1 or out != channels:
        kept = d.conv(out, 1, stride, act=False)
        d.at, d.channels, d.size = start, channels, size
    if d.dice.random() < 0.35:
        d.conv(out, 3, stride)
        d.conv(out, 3, act=False)
    else:
        inner = max(8, out // d.dice.choice((1, 2, 4, 4)))
        groups = d.dice.choice((1, 1, 1, 2, 4, 8, 16, 32))
        inner = max(groups, inner // groups * groups)
        d.conv(inner)
        d.conv(inner, 3, stride, groups)
        d.conv(out, act=False)
    if d.dice.random() < 0.2:
        gate(d, d.dice.choice((4, 8, 16)))
    _join(d, kept)
    d.put(nn.ReLU(inplace=True))


def inverted(d: Draft) -> None:
    """Widen, filter each channel, narrow."""
    start, channels = d.at, d.channels
    stride, wide = d.stride(), d.dice.choice((1, 2, 3, 4, 6, 6))
    out = channels if stride == 1 and d.dice.random() < 0.7 else max(8, width(d.dice, d.size) // 4)
    if wide * channels > 1600:
        wide = 1
    if wide > 1:
        d.conv(channels * wide)
    d.depthwise(d.dice.choice((3, 3, 3, 5, 5, 7)), stride)
    if d.dice.random() < 0.35:
        gate(d, d.dice.choice((4, 16, 24)))
    d.conv(out, act=False)
    if stride == 1 and out == channels:
        d.apply(s.add, start, d.at)


def dense(d: Draft) -> None:
    """Each unit's few channels joined to all before."""
    growth = d.dice.choice((8, 12, 16, 24, 32, 32, 48))
    for _ in range(d.dice.randint(2, 5)):
        start, channels = d.at, d.channels
        d.put(nn.BatchNorm2d(channels))
        d.put(nn.ReLU(inplace=True))
        d.conv(4 * growth)
        d.conv(growth, 3, norm=False, act=False)
        d.apply(s.cat, start, d.at)
        d.channels = channels + growth
    if d.size > 13 and d.dice.random() < 0.5:
        d.conv(max(8, d.channels // 2))
        d.put(nn.AvgPool2d(2, 2))
        d.size //= 2


def branches(d: Draft) -> None:
    """Several ways side by side, their channels joined."""
    start, channels, size = d.at, d.channels, d.size
    stride = 2 if d.size > 13 and d.dice.random() < 0.2 else 1
    ends, total = [], 0
    count = d.dice.randint(2, 4)
    for number in range(count):
        d.at, d.channels, d.size = start, channels, size
        out = max(8, width(d.dice, size) // count)
        way = d.dice.choice(("1", "3", "5", "33", "17", "pool")) if number else "1"
        if way == "pool":
            d.put(d.dice.choice((nn.MaxPool2d, nn.AvgPool2d))(3, 1, 1))
            d.conv(out, 1, stride)
        elif way == "17":
            d.conv(max(8, out // 2))
            long = d.dice.choice((3, 7))
            d.conv(out, (1, long))
            d.conv(out, (long, 1), 1)
            if stride > 1:
                d.conv(out, 3, stride)
        elif way == "1":
            d.conv(out, 1, stride)
        else:
            d.conv(max(8, out // d.dice.choice((1, 2, 4))))
            for kernel in way[1:]:
                d.conv(out, int(kernel))
            d.conv(out, int(way[0]), stride)
        ends.append(d.at)
        total += d.channels
    d.apply(s.cat, *ends)
    d.channels = total


def shuffle_unit(d: Draft) -> None:
    """Half of the channels through 1x1, depthwise, 1x1; or grouped 1x1 and a shuffle between."""
    if d.channels < 16 or d.channels % 2:
        d.conv(16 * d.dice.randint(2, 16))
    if d.dice.random() < 0.5:
        start, channels = d.at, d.channels
        left = d.put(s.Half(0), start)
        d.put(s.Half(1), start)
        d.channels = channels // 2
        d.conv(channels // 2)
        d.depthwise(3, act=False)
        d.conv(channels // 2)
        d.apply(s.cat, left, d.at)
        d.channels = channels
        d.put(s.Shuffle(2))
        return
    groups = d.dice.choice((2, 3, 4, 8))
    out = 4 * groups * d.dice.randint(3, 40)
    d.conv(max(1, d.channels // (4 * groups)) * 4 * groups)
    start, channels = d.at, d.channels
    d.conv(out, 1, 1, groups)
    d.put(s.Shuffle(groups))
    d.depthwise(3, act=False)
    d.conv(channels, 1, 1, groups, act=False)
    d.apply(s.add, start, d.at)
    d.put(d.act())


def cell(d: Draft) -> None:
    """Separable convolutions and pools of a few channels, added in pairs and joined."""
    narrow = d.dice.choice((11, 16, 22, 24, 32, 44, 48, 64, 88, 96, 128, 176, 192))
    d.put(nn.ReLU())
    d.conv(narrow, act=False)
    start, size = d.at, d.size
    stride = 2 if size > 13 and d.dice.random() < 0.25 else 1
    ends = []
    for _ in range(d.dice.randint(2, 4)):
        pair = []
        for _ in range(2):
            d.at, d.channels, d.size = start, narrow, size
            way = d.dice.choice(("sep", "sep", "sep", "dil", "max", "avg"))
            if way in ("max", "avg"):
                d.put((nn.MaxPool2d if way == "max" else nn.AvgPool2d)(3, stride, 1))
                d.size = (size - 1) // stride + 1
            else:
                for time in range(2 if way == "sep" else 1):
                    d.put(nn.ReLU(inplace=time > 0))
                    kernel = d.dice.choice((3, 3, 5, 7)) if way == "sep" else d.dice.choice((3, 5))
                    d.conv(
                        narrow, kernel, stride if time == 0 else 1, narrow, norm=False, act=False, dilation=1 if way == "sep" else 2
                    )  # fmt: skip
                    d.conv(narrow, act=False)
            pair.append(d.at)
        ends.append(d.apply(s.add, *pair))
    d.apply(s.cat, *ends)
    d.channels = narrow * len(ends)


def separable(d: Draft) -> None:
    """Depthwise and pointwise, two or three times, perhaps around a shortcut."""
    start, channels = d.at, d.channels
    for _ in range(d.dice.randint(1, 3)):
        if d.dice.random() < 0.5:
            d.put(nn.ReLU())
            d.conv(d.channels, 3, 1, d.channels, norm=False, act=False)
            d.conv(channels, act=False)
        else:
            d.depthwise(d.dice.choice((3, 3, 5)))
            d.conv(channels if d.dice.random() < 0.5 else width(d.dice, d.size))
    if d.channels == channels:
        d.apply(d.dice.choice((s.add, s.add_)), d.at, start)


def pooled(d: Draft) -> None:
    """A pool, or another thing that happens now and then."""
    if d.size < 7:
        return
    way = d.dice.choice(
        ("max3", "max3", "max2", "avg2", "avg3", "norm", "up", "pad", "pick", "rows")
    )
    if way in ("max3", "avg3"):
        d.put((nn.MaxPool2d if way == "max3" else nn.AvgPool2d)(3, 2, 1))
        d.size = (d.size - 1) // 2 + 1
    elif way in ("max2", "avg2"):
        d.put((nn.MaxPool2d if way == "max2" else nn.AvgPool2d)(2, 2))
        d.size //= 2
    elif way == "norm":
        d.put(nn.LocalResponseNorm(5))
    elif way == "up" and d.size <= 28:
        d.apply(s.upsampled)
        d.size *= 2
    elif way == "pad":
        d.apply(s.padded)
        d.size += 1
    elif way == "pick":
        d.put(s.Picked(d.channels))
    elif way == "rows":
        d.conv(d.channels, (3, 1))
        d.conv(d.channels, (1, 3))


def head(d: Draft) -> None:
    """Classes."""
    features = d.channels
    if d.size <= 14 and d.dice.random() < 0.3:
        d.size = d.dice.choice((2, 4, 6))
        d.put(nn.AdaptiveAvgPool2d(d.size))
        features *= d.size**2
        d.apply(s.flat)
    elif d.dice.random() < 0.2:
        d.apply(s.mean)
    else:
        d.put(nn.AdaptiveAvgPool2d(1))
        d.apply(s.flat)
    for _ in range(d.dice.choice((0, 0, 0, 1, 2))):
        out = d.dice.choice((256, 512, 1024, 1280, 2048, 4096))
        if features * out > 4e7:
            break
        d.put(bare(nn.Linear, features, out))
        d.put(nn.ReLU(inplace=True))
        features = out
    d.put(bare(nn.Linear, features, d.dice.choice((10, 100, 1000, 1000, 1000))))


BLOCKS: tuple[tuple[Callable[[Draft], None], float], ...] = (
    (plain, 2), (residual, 3), (inverted, 4), (dense, 1.5), (branches, 2.5), (shuffle_unit, 2), (cell, 1.5),
    (separable, 1.5), (pooled, 1.5),
)  # fmt: skip


def draft(seed: int) -> tuple[Draft, tuple[int, int, int, int]]:
    """The steps of the probe of that number, and the shape of its input."""
    dice = random.Random(seed)  # noqa: S311 (no secret)
    resolution = dice.choice(RESOLUTIONS)
    if dice.random() < 0.4:  # from the image on
        d = Draft(dice, 3, resolution)
        kernel = dice.choice((3, 3, 5, 7, 7, 11))
        stride = 1 if resolution < 64 else dice.choice((1, 2, 2, 2, 2, 2, 4))
        out = dice.choice((16, 24, 32, 32, 48, 64, 64, 96))
        d.conv(out, kernel, stride, padding=dice.choice((0, kernel // 2)))
        if d.size > 60 and dice.random() < 0.6:
            edge = dice.choice((0, 1))
            d.put(nn.MaxPool2d(3, 2, edge))
            d.size = (d.size + 2 * edge - 3) // 2 + 1
    else:
        size = max(6, resolution // dice.choice((2, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32)))
        d = Draft(dice, width(dice, size), size)
    shape = (1, 3, resolution, resolution) if d.steps else (1, d.channels, d.size, d.size)
    kinds, shares = zip(*BLOCKS, strict=True)
    favourite = dice.choices(kinds, shares)[0]
    for _ in range(dice.randint(3, 9)):
        if d.full:
            break
        block = favourite if dice.random() < 0.5 else dice.choices(kinds, shares)[0]
        block(d)
    head(d)
    return d, shape


def probe(seed: int, *, filled: bool = True) -> tuple[s.Probe, tuple[int, int, int, int]]:
    """The probe of that number in eval mode, and the shape of its input; unless ``filled``, its weights mean nothing."""
    made, shape = draft(seed)
    model = s.Probe(made.steps)
    if filled:
        s.fill(model, seed)
    return model.eval(), shape
