"""The dense block against the paper's equation, and what its memory-efficient form saves."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.layers.dense import DenseBlock, DenseLayer, Transition


def normalised(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """Batch normalisation with the batch's own statistics, from their definitions."""
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
    x = (x - mean) / torch.sqrt(variance + norm.eps)
    return x * norm.weight[:, None, None] + norm.bias[:, None, None]


@pytest.mark.parametrize("bottleneck", [True, False])
def test_every_layer_sees_all_maps_before_it(bottleneck: bool) -> None:
    """x_l = H_l([x_0, ..., x_(l-1)]), eq. 2, with H as section 3 composes it."""
    torch.manual_seed(0)
    block = DenseBlock(5, 3, 4, bottleneck=bottleneck).double()
    image = torch.randn(2, 5, 6, 7, dtype=torch.float64)
    maps = image
    for layer in block.values():
        assert isinstance(layer, DenseLayer)
        y = F.conv2d(
            torch.relu(normalised(maps, layer.norm1)),
            layer.conv1.weight,
            padding=0 if bottleneck else 1,
        )
        if bottleneck:
            y = F.conv2d(torch.relu(normalised(y, layer.norm2)), layer.conv2.weight, padding=1)
        maps = torch.cat([maps, y], dim=1)
    torch.testing.assert_close(block(image), maps)


def trained(block: DenseBlock, image: Tensor) -> tuple[list[Tensor], int]:
    """Output, gradients and buffers of one training step; and bytes kept for the backward pass."""
    kept: dict[int, int] = {}

    def pack(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    image = image.clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        out = block(image)
    size = sum(kept.values())
    torch.manual_seed(1)
    out.backward(torch.randn_like(out))
    assert image.grad is not None
    gradients = [p.grad for p in block.parameters() if p.grad is not None]
    assert len(gradients) == len(list(block.parameters()))
    return [out.detach(), image.grad, *gradients, *block.buffers()], size


def pair(layers: int, **options: Any) -> tuple[DenseBlock, DenseBlock]:
    torch.manual_seed(0)
    plain = DenseBlock(16, layers, 8, **options).double()
    efficient = DenseBlock(16, layers, 8, memory_efficient=True, **options).double()
    efficient.load_state_dict(copy.deepcopy(plain.state_dict()))
    return plain, efficient


@pytest.mark.parametrize("bottleneck", [True, False])
def test_memory_efficient_is_equal(bottleneck: bool) -> None:
    """Outputs, gradients and running statistics, which must not count the batch twice."""
    image = torch.randn(2, 16, 8, 8, dtype=torch.float64)
    ours, theirs = (trained(block, image)[0] for block in pair(6, bottleneck=bottleneck))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a, b)


def test_memory_efficient_with_dropout_is_equal() -> None:
    image = torch.randn(2, 16, 8, 8, dtype=torch.float64)
    results = []
    for block in pair(4, drop_rate=0.5):
        torch.manual_seed(7)
        results.append(trained(block, image)[0])
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


def test_memory_efficient_keeps_less() -> None:
    """Plain training keeps concatenations, which grow with the square of the depth; this does not."""
    image = torch.randn(2, 16, 8, 8, dtype=torch.float64)

    def kept(layers: int) -> tuple[int, int]:
        plain, efficient = pair(layers)
        return trained(plain, image)[1], trained(efficient, image)[1]

    (plain6, efficient6), (plain24, efficient24) = kept(6), kept(24)
    assert efficient6 < 0.7 * plain6
    assert efficient24 < 0.4 * plain24
    assert plain24 > 1.5 * 4 * plain6
    assert efficient24 < 1.1 * 4 * efficient6


def test_memory_efficient_changes_nothing_without_gradients() -> None:
    _, block = pair(3)
    with torch.no_grad():
        block(torch.randn(2, 16, 8, 8, dtype=torch.float64))
    batches = [norm for name, norm in block.named_buffers() if name.endswith("tracked")]
    assert all(int(count) == 1 for count in batches)


def test_dropout_stands_behind_every_convolution() -> None:
    counts = []
    for module in (
        DenseLayer(4, 2, drop_rate=0.2),
        DenseLayer(4, 2, bottleneck=False, drop_rate=0.2),
        Transition(4, 2, drop_rate=0.2),
    ):
        calls: list[int] = []
        module.dropout.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        x = torch.randn(2, 4, 4, 4)
        module([x] if isinstance(module, DenseLayer) else x)
        counts.append(len(calls))
    assert counts == [2, 1, 1]
