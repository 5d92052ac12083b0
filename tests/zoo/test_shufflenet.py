"""What is special about the two ShuffleNets."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from steelyard.capture.api import capture
from steelyard.errors import UsageError
from steelyard.zoo.registry import create


def test_groups_where_the_paper_has_them() -> None:
    """Sec. 3.2: every 1x1 convolution is grouped, but for the first of the first stage."""
    with torch.device("meta"):
        network = create("shufflenet_v1_g4")
    grouped = [
        m.groups for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)
    ]
    assert grouped == [1] + [4] * 31


@pytest.mark.parametrize(("groups", "channels"), [(1, 144), (2, 200), (3, 240), (4, 272), (8, 384)])
def test_channels_of_the_stages(groups: int, channels: int) -> None:
    """Table 1 of the first paper: output channels by the number of groups."""
    with torch.device("meta"):
        backbone = create(f"shufflenet_v1_g{groups}", features_only=True)
    assert backbone.channels == (24, 24, channels, 2 * channels, 4 * channels)
    assert backbone.strides == (2, 4, 8, 16, 32)


@pytest.mark.parametrize(
    ("width", "channels", "last"),
    [(0.5, 48, 1024), (1.0, 116, 1024), (1.5, 176, 1024), (2.0, 244, 2048)],
)
def test_channels_of_v2(width: float, channels: int, last: int) -> None:
    """Table 5 of the second paper."""
    with torch.device("meta"):
        backbone = create("shufflenet_v2", width=width, features_only=True)
    assert backbone.channels == (24, 24, channels, 2 * channels, last)


def test_equal_split_costs_less_than_the_paper_says() -> None:
    """145.8 M of the authors' split are the published 146; torchvision's 144.9 are not."""
    ours, torchvisions = capture("shufflenet_v2").macs, capture("shufflenet_v2_x1_0").macs
    assert (round(ours / 1e6), round(torchvisions / 1e6)) == (146, 145)


def test_large_and_its_auxiliary_classifiers_have_the_printed_parameters() -> None:
    """140.7 M in the authors' README: ours and, behind stages 2 to 4, 1x1 and 3x3 convolutions and a classifier."""
    heads = sum(c * c * (1 + 9) + 2 * 2 * c + 1000 * c + 1000 for c in (256, 512, 1024))
    assert round((capture("shufflenet_v2_large").params + heads) / 1e6, 1) == 140.7


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("shufflenet_v1_g8_released", {"width": 0.5}),
        ("se_shufflenet_v1_g3", {"width": 0.25}),
        ("shufflenet_v2", {"width": 0.5}),
        ("shufflenet_v2_x0_5", {}),
        ("se_shufflenet_v2_164", {"width": 0.4, "blocks": (2, 2, 2, 2)}),
        ("shufflenet_v2_large", {"width": 0.25, "blocks": (2, 2, 2, 2)}),
    ],
)
def test_trains_on_odd_images(name: str, settings: dict[str, object]) -> None:
    torch.manual_seed(0)
    network = create(name, num_classes=5, **settings)
    out = network(torch.randn(2, 3, 97, 75))
    out.square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("shufflenet_v1_g3", {"groups": 5}, r"no channels for groups=5\n.*\n.*channels=200"),
        ("shufflenet_v1_g8", {"stem": 12}, "12 channels before a first stage of 384 in 8 groups"),
        ("shufflenet_v2", {"width": 0.1}, r"a stage of 12 channels behind 24 .*\n.*\n.*equal"),
        ("shufflenet_v2_50", {"blocks": (3, 4)}, "4 channel counts for 2 stages"),
    ],
)
def test_impossible_settings(name: str, settings: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        create(name, **settings)


def test_other_groups_with_channels_of_their_own() -> None:
    assert create("shufflenet_v1_g3", groups=5, channels=200, width=0.5, stem=15)
