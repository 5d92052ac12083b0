"""FractalNet: counts by the expansion rule, depth of the columns, routes in training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from steelyard.capture.api import capture
from steelyard.zoo.fractalnet import FractalNet
from steelyard.zoo.registry import create


def on_meta(**settings: Any) -> FractalNet:
    with torch.device("meta"):
        network = create("fractalnet20_cifar", **settings)
    assert isinstance(network, FractalNet)
    return network.eval()


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5])
def test_counts_follow_from_the_expansion_rule(columns: int) -> None:
    """C columns: 2^C - 1 convolutions a block, C of which read the block's input."""
    channels, resolution, before, params, macs = (8, 12, 20), 16, 3, 0, 0
    for after in channels:
        weights = 9 * after * (columns * before + (2**columns - 1 - columns) * after)
        params += weights + 2 * (2**columns - 1) * after
        macs += weights * resolution**2
        before, resolution = after, resolution // 2
    network = on_meta(columns=columns, channels=channels, resolution=16)
    load = capture(network, input_shape=(1, 3, 16, 16))
    assert load.params == params + 20 * 10 + 10
    assert load.macs == macs + 20 * 10


@pytest.mark.parametrize(("columns", "depth"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 80)])
def test_deepest_column_is_as_deep_as_the_paper_says(columns: int, depth: int) -> None:
    """Larsson et al. 2016, sec. 3: B 2^(C-1) convolutions."""
    network = on_meta(columns=columns, path="deepest", width=0.1)
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == depth


def test_dropout_rises_from_block_to_block() -> None:
    """Sec. 4: 0, 10, 20, 30, 40 %."""
    rates = [{m.p for m in b.modules() if isinstance(m, nn.Dropout)} for b in on_meta().blocks]
    assert [round(rate, 6) for found in rates for rate in found] == [0, 0.1, 0.2, 0.3, 0.4]


def frozen(network: nn.Module) -> nn.Module:
    """Without what else is random or depends on the batch."""
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.Dropout)):
            module.eval()
    return network


def test_deepest_column_alone_is_the_network_on_that_route(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"channels": (8, 12), "resolution": 16, "dropout": 0.0}
    full = create("fractalnet20_cifar", global_paths=1.0, **settings)
    deep = create("fractalnet20_cifar", path="deepest", **settings).eval()
    assert not deep.load_state_dict(full.state_dict(), strict=False).missing_keys
    monkeypatch.setattr(torch, "randint", lambda high, size, device: torch.zeros(size).long())
    x = torch.randn(3, 3, 16, 16)
    torch.testing.assert_close(frozen(full.train())(x), deep(x))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_training_reaches_every_weight(share: float) -> None:
    torch.manual_seed(0)
    network = create(
        "fractalnet20_cifar", channels=(8, 12), resolution=16, columns=2, global_paths=share
    )
    network(torch.randn(32, 3, 16, 16)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.any(), key


@pytest.mark.parametrize("side", [31, 33, 40])
def test_other_sizes(side: int) -> None:
    assert on_meta()(torch.empty(2, 3, side, side, device="meta")).shape == (2, 10)


def test_imagenet_network_has_34_layers() -> None:
    with torch.device("meta"):
        network = create("fractalnet34", path="deepest")
        backbone = create("fractalnet34", features_only=True)
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == 34
    assert backbone.channels == (64, 64, 128, 256, 512, 1024)
    assert backbone.strides == (2, 4, 8, 16, 32, 64)
