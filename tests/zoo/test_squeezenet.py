"""SqueezeNet: table 1, the metaparameters, the bypasses, and where the figures printed elsewhere come from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from steelyard.capture.api import capture
from steelyard.errors import UsageError
from steelyard.layers.fire import Fire
from steelyard.zoo.registry import create


def fires(**settings: object) -> list[Fire]:
    with torch.device("meta"):
        network = create("squeezenet1_0", **settings)
    return [module for module in network.modules() if isinstance(module, Fire)]


def conv_outputs(name: str, side: int) -> int:
    """Elements that convolutions give."""
    total = 0

    def count(_: nn.Module, __: object, out: Tensor) -> None:
        nonlocal total
        total += out.numel()

    with torch.device("meta"):
        network = create(name).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.empty(1, 3, side, side, device="meta"))
    return total


def test_fire_modules_of_table_1() -> None:
    """s1x1, e1x1, e3x3 of fire2 to fire9."""
    rows = [
        (f.squeeze.out_channels, f.expand1x1.out_channels, f.expand3x3.out_channels)
        for f in fires()
    ]
    assert rows == [
        (16, 64, 64), (16, 64, 64), (32, 128, 128), (32, 128, 128),
        (48, 192, 192), (48, 192, 192), (64, 256, 256), (64, 256, 256),
    ]  # fmt: skip


def test_metaparameters() -> None:
    """Sec. 5.1: e_i = base + step floor(i / freq); s = SR e; e3 = pct3 e."""
    rows = [
        (f.squeeze.out_channels, f.expand1x1.out_channels, f.expand3x3.out_channels)
        for f in fires(
            expand_base=40, expand_step=20, frequency=3, squeeze_ratio=0.5, share_3x3=0.25
        )
    ]
    assert rows == [(20, 30, 10)] * 3 + [(30, 45, 15)] * 3 + [(40, 60, 20)] * 2


def test_bypasses_of_fig_2() -> None:
    simple = [type(f.bypass).__name__ for f in fires(bypass="simple")]
    assert simple == ["NoneType", "Identity"] * 4
    complex_ = [type(f.bypass).__name__ for f in fires(bypass="complex")]
    assert complex_ == ["Conv2d", "Identity"] * 4


@pytest.mark.parametrize(("padded", "printed"), [(False, 833), (False, 837), (True, 861)])
def test_where_the_printed_operations_come_from(padded: bool, printed: int) -> None:
    """ShuffleNet's table 6 prints 833 M, SqueezeNext 837 M, with a bias tap per output as in its own rows."""
    name = "squeezenet1_0_caffe" if padded else "squeezenet1_0:resolution=227"
    macs = capture(name).macs
    taps = conv_outputs("squeezenet1_0", 227) if printed == 837 else 0
    assert round((macs + taps) / 1e6) == printed


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pool_after": (3, 9)}, "with 8 Fire modules"),
        ({"expand_base": 4, "share_3x3": 0.05}, "leave a layer of a Fire module without filters"),
    ],
)
def test_refused_settings(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        create("squeezenet1_0", **settings)
