"""Exits, costs per exit, scales and settings of multi-scale dense networks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.zoo.msdnet import MSDNet
from steelyard.zoo.registry import create, default_input_shape, info

TINY: dict[str, object] = {"channels": 4, "growth": 2, "blocks": 3, "classifier_channels": 8}


def slow(*values: object) -> object:
    return pytest.param(*values, marks=pytest.mark.slow)


def on_meta(name: str, **settings: object) -> MSDNet:
    with torch.device("meta"):
        network = create(name, **settings).eval()
    assert isinstance(network, MSDNet)
    return network


def authors_counts(network: nn.Module, shape: tuple[int, ...]) -> list[float]:
    """Millions of MACs, ReLU elements, pool taps and biases up to each classifier: their ``op_counter.py``."""
    total, counts = 0, []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            total += output.numel() * module.weight[0].numel()
        if isinstance(module, (nn.ReLU, nn.AdaptiveAvgPool2d)):
            total += inputs[0].numel()
        if isinstance(module, nn.MaxPool2d):
            total += output.numel() * module.kernel_size**2
        if isinstance(module, nn.Linear):
            total += output.numel()
            counts.append(total / 1e6)

    for module in network.modules():
        module.register_forward_hook(count)
    network(torch.empty(shape, device="meta"))
    return counts


@pytest.mark.parametrize(
    ("name", "classes", "digits", "millions"),
    [
        ("msdnet7_anytime_cifar", 100, 2, [15.14, 25.51, 37.1, 46.33, 57.34, 66.96, 75.94]),
        ("msdnet5_budgeted_cifar", 100, 2, [6.86, 14.35, 27.54, 41.71, 58.48]),
        ("msdnet7_budgeted_cifar", 10, 2, [6.85]),
        ("msdnet7_budgeted_cifar", 10, 1, [..., ..., ..., ..., ..., ..., 137.2]),
        ("msdnet5_step4", 1000, 1, [339.9, 685.5, 1008.2, 1254.5, 1360.5]),
        slow("msdnet5_step6", 1000, 1, [514.7, 1171.2, 1844.5, 2501.4, 2742.1]),
        slow("msdnet5_step7", 1000, 0, [..., ..., ..., ..., 3254]),
    ],
)
def test_the_authors_counts_in_the_authors_way(
    name: str, classes: int, digits: int, millions: list[float]
) -> None:
    network = on_meta(name, num_classes=classes)
    counts = authors_counts(network, default_input_shape(name))
    for ours, theirs in zip(counts, millions, strict=False):
        assert theirs is ... or round(ours, digits) == theirs


def test_settings_are_published_ones() -> None:
    """Steps of the authors' examples: 4, 2, 2, ... and 1, 2, 3, ... layers."""

    def layers(name: str) -> list[int]:
        blocks = on_meta(name).blocks
        kinds = [[type(m).__name__ for m in block.children()] for block in blocks]
        return [kind.count("MultiScaleLayer") for kind in kinds]

    assert layers("msdnet10_anytime_cifar") == [4] + [2] * 9
    assert layers("msdnet7_budgeted_cifar") == [1, 2, 3, 4, 5, 6, 7]
    assert layers("msdnet5_step7") == [7] * 5


@pytest.mark.parametrize("name", ["msdnet7_anytime_cifar", "msdnet5_budgeted_cifar"])
def test_block_by_block_equals_all_at_once(name: str) -> None:
    torch.manual_seed(0)
    network = create(name, **TINY).eval()
    assert isinstance(network, MSDNet)
    image = torch.randn(2, 3, 32, 32)
    features: Tensor | list[Tensor] = image
    logits = []
    for i in range(len(network.blocks)):
        features = network.run_block(i, features)
        logits.append(network.classify_at(i, features))
    together = network(image)
    assert isinstance(together, tuple)
    assert all(torch.equal(a, b) for a, b in zip(logits, together, strict=True))
    assert isinstance(features, list)
    assert torch.equal(network.classify(features[-1]), together[-1])


def test_an_early_exit_does_not_run_the_rest() -> None:
    network = create("msdnet5_budgeted_cifar", **TINY).eval()
    assert isinstance(network, MSDNet)
    for module in network.blocks[1:].modules():
        module.register_forward_pre_hook(lambda *_: pytest.fail("ran a later block"))
    features = network.run_block(0, torch.randn(1, 3, 32, 32))
    assert network.classify_at(0, features).shape == (1, 10)


def test_scales_are_dropped_after_each_third() -> None:
    """Sec. 4.2: S equal parts; in part i the finest i - 1 scales are gone, and maps were halved."""
    network = create("msdnet7_anytime_cifar").eval()
    assert isinstance(network, MSDNet)
    features: Tensor | list[Tensor] = torch.randn(1, 3, 32, 32)
    seen = []
    for i in range(7):
        features = network.run_block(i, features)
        seen.append(len(features))
    # 16 layers in parts of 6: layers 4, 6, 8, 10, 12, 14, 16
    assert seen == [3, 3, 2, 2, 2, 1, 1]


def test_feature_maps_are_the_last_of_every_scale() -> None:
    backbone = create("msdnet5_step4", features_only=True, width=0.25)
    assert backbone.strides == (4, 8, 16, 32)
    maps = backbone(torch.randn(1, 3, 70, 70))
    assert [m.shape[-1] for m in maps] == [18, 9, 5, 3]
    assert tuple(m.shape[1] for m in maps) == backbone.channels
    names = [name for name, _ in backbone.named_parameters()]
    assert not any("classifiers" in name for name in names)


@pytest.mark.parametrize(
    "settings",
    [
        {"prune": "min"},
        {"reduction": 0.0},
        {"bottleneck": False},
        {"growth_factors": (1, 2), "bottleneck_factors": (4, 4)},
        {"growth_factors": (1,), "bottleneck_factors": (1,)},
        {"step": 2, "stepmode": "lin_grow"},
        {"prune": "min", "growth_factors": (1, 2, 4, 4), "bottleneck_factors": (1, 2, 4, 4)},
    ],
)
def test_other_members_of_the_family_learn(settings: dict[str, object]) -> None:
    torch.manual_seed(0)
    network = create("msdnet5_budgeted_cifar", **{**TINY, **settings})
    outputs = network(torch.randn(2, 3, 33, 31))
    assert [tuple(out.shape) for out in outputs] == [(2, 10)] * 3
    torch.stack(outputs).sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key


def test_initial_weights() -> None:
    """N(0, 2 / (k^2 M)), biases of the classifiers 0."""
    torch.manual_seed(0)
    network = create("msdnet7_anytime_cifar")
    weight = network.get_parameter("classifiers.6.m.0.net.0.weight")
    assert weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    assert torch.all(network.get_parameter("classifiers.0.linear.bias") == 0)


def test_impossible_settings_say_what_to_type() -> None:
    with pytest.raises(UsageError, match="one of each for every scale"):
        on_meta("msdnet5_step4", growth_factors=(1, 2))
    with pytest.raises(UsageError, match="an even number at every scale but the finest"):
        on_meta("msdnet5_budgeted_cifar", growth=5, growth_factors=(1, 1, 1))
    with pytest.raises(UsageError, match="prune='max'"):
        on_meta("msdnet5_step4", prune="min", blocks=1, base=2)


def test_notes_say_where_the_counts_are_from() -> None:
    assert "op counter" in info("msdnet5_step4").notes
