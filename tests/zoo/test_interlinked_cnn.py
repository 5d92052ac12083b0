"""Interlinked CNN: counts by hand, sizes, and how far a pixel is seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from steelyard.capture.api import capture
from steelyard.errors import UsageError
from steelyard.zoo.interlinked_cnn import InterlinkedCNN
from steelyard.zoo.registry import create


def on_meta(name: str, **settings: Any) -> InterlinkedCNN:
    with torch.device("meta"):
        network = create(name, **settings)
    assert isinstance(network, InterlinkedCNN)
    return network.eval()


@pytest.mark.parametrize(
    ("name", "labels", "side"),
    [("icnn_stage1", 9, 64), ("icnn_stage2", 2, 64), ("icnn_stage2_mouth", 4, 80)],
)
def test_counts_by_hand(name: str, labels: int, side: int) -> None:
    """8, 16, 24, 32 maps; an interlinking layer reads 24, 48, 72, 56 (stated in aod321/icnn-face)."""
    channels, read, top = (8, 16, 24, 32), (24, 48, 72, 56), 2 * labels + 8
    pixels = [(side >> i) ** 2 for i in range(4)]
    convolutions = [(3, c, 25, p) for c, p in zip(channels, pixels, strict=True)]
    convolutions += 3 * [(r, c, 25, p) for r, c, p in zip(read, channels, pixels, strict=True)]
    convolutions += [(24 + 32, 24, 25, pixels[2]), (16 + 24, 16, 25, pixels[1])]
    convolutions += [(8 + 16, top, 25, pixels[0]), (top, labels, 81, pixels[0])]
    load = capture(on_meta(name), input_shape=(1, 3, side, side))
    assert load.params == sum(c * m * k + m for c, m, k, _ in convolutions)
    assert load.macs == sum(c * m * k * p for c, m, k, p in convolutions)
    assert load.coverage.unknown == ()


@pytest.mark.parametrize("side", [8, 63, 64, 65, 101])
def test_every_pixel_gets_its_scores(side: int) -> None:
    network = on_meta("icnn_stage1")
    assert network(torch.empty(2, 3, side, side, device="meta")).shape == (2, 9, side, side)


def test_backbone_offers_the_rows() -> None:
    backbone = create("icnn_stage1", features_only=True)
    assert backbone.channels == (26, 16, 24, 32)
    assert backbone.strides == (1, 2, 4, 8)


def test_coarse_rows_carry_context_across_the_face() -> None:
    """The purpose of the rows: without them a score sees 5x5 filters in sequence only."""
    reach = {}
    for rows in (2, 4):
        torch.manual_seed(0)
        network = create("icnn_stage1", rows=rows, interlinks=1).double().eval()
        image = torch.randn(1, 3, 64, 64, dtype=torch.float64, requires_grad=True)
        network(image)[0, :, 32, 32].sum().backward()
        assert image.grad is not None
        seen = image.grad[0].abs().sum(dim=0).nonzero()
        reach[rows] = int(seen[:, 0].max() - seen[:, 0].min())
    assert reach[4] > 1.5 * reach[2]


@pytest.mark.parametrize("norm", [False, True])
def test_every_weight_learns(norm: bool) -> None:
    torch.manual_seed(0)
    network = create("icnn_stage2", resolution=16, norm=norm)
    network(torch.randn(2, 3, 16, 16)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key


def test_impossible_settings_say_why() -> None:
    with pytest.raises(UsageError, match="kernel=4 has no middle"):
        on_meta("icnn_stage1", kernel=4)
    with pytest.raises(UsageError, match="resolution=7 cannot be halved for 4 rows"):
        on_meta("icnn_stage1", resolution=7)
