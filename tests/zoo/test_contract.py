"""Every network of the zoo does what every network must: any batch, size and channels, gradients, backbones, exports.

Shapes are checked on the meta device for all; values for one thin network of each family.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steelyard as sy
from representatives import REPRESENTATIVES, each_network, family
from steelyard.zoo.network import Backbone, Network
from steelyard.zoo.registry import create, default_input_shape, list_models

WITHOUT_GRADIENT = {
    "drn_c_58": "the authors run a convolution whose output nobody reads",
}
"""Networks with weights that no gradient reaches, and why."""

FIXED_SIZE = ("alexnet", "lenet", "overfeat", "zfnet", "pvanet", "cnf")
"""Fully connected layers, or scales, follow the resolution: another size is another network."""

THIN: dict[str, dict[str, Any]] = {"legacy_senet154": {"width": 0.5, "blocks": (1, 1, 1, 1)}}
"""Settings that make a representative quick to compute, where a width of 0.25 does not fit."""


def outputs(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def on_meta(name: str, **settings: Any) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


def test_every_family_has_a_representative() -> None:
    assert {family(name): name for name in REPRESENTATIVES.values()} == REPRESENTATIVES
    assert {family(name) for name in list_models()} == set(REPRESENTATIVES)


@pytest.mark.parametrize("name", each_network())
def test_any_batch_size_and_resolution(name: str) -> None:
    """Batch 1 and 2; one pixel more and a third more, which are odd where the default is even."""
    shape = default_input_shape(name)
    network = on_meta(name)
    assert isinstance(network, Network)
    assert network.input_shape == shape
    first = [tuple(o.shape) for o in outputs(network(torch.empty(shape, device="meta")))]
    two = outputs(network(torch.empty((2, *shape[1:]), device="meta")))
    assert [tuple(o.shape) for o in two] == [(2, *s[1:]) for s in first]
    for side in (shape[-1] + 1, shape[-1] + shape[-1] // 3):
        if name.startswith(FIXED_SIZE):
            network = on_meta(name, resolution=side)
        other = outputs(network(torch.empty((1, shape[1], side, side), device="meta")))
        assert [o.shape[:2] for o in other] == [s[:2] for s in first]


@pytest.mark.parametrize("name", each_network())
def test_a_backbone_gives_the_last_map_of_every_resolution(name: str) -> None:
    shape = default_input_shape(name)
    backbone = on_meta(name, features_only=True)
    assert isinstance(backbone, Backbone)
    maps = backbone(torch.empty(shape, device="meta"))
    assert tuple(m.shape[1] for m in maps) == backbone.channels
    sides = [m.shape[-1] for m in maps]
    assert sides == sorted(set(sides), reverse=True)
    step = backbone.strides[-1]
    higher = backbone(torch.empty((*shape[:2], shape[2] + step, shape[3]), device="meta"))
    grown = [b.shape[2] - a.shape[2] for a, b in zip(maps, higher, strict=True)]
    assert [step / more for more in grown] == list(backbone.strides)
    sum(m.sum() for m in maps).backward()  # type: ignore[union-attr]
    assert any(p.grad is not None for p in backbone.parameters())


@pytest.mark.parametrize("name", each_network())
def test_gradients_reach_every_weight(name: str) -> None:
    """On the meta device: which weights take part, not their values."""
    network = on_meta(name).train()
    shape = default_input_shape(name)
    result = outputs(network(torch.empty((2, *shape[1:]), device="meta")))
    sum(o.sum() for o in result).backward()  # type: ignore[union-attr]
    missing = [k for k, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert bool(missing) == (name in WITHOUT_GRADIENT), missing


def thin(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """A representative with a quarter of its width, and its input of two images."""
    torch.manual_seed(0)
    settings = THIN.get(name, {"width": 0.25})
    network = create(name, num_classes=6, **settings)
    shape = default_input_shape(name, **settings)
    return network, (2, *shape[1:])


@pytest.mark.parametrize("name", sorted(REPRESENTATIVES.values()))
def test_values_and_gradients_are_finite(name: str) -> None:
    network, shape = thin(name)
    result = outputs(network(torch.randn(shape)))
    assert all(bool(torch.isfinite(o).all()) for o in result)
    sum(o.float().mean() for o in result).backward()  # type: ignore[union-attr]
    for key, parameter in network.named_parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", sorted(REPRESENTATIVES.values()))
def test_layout_and_batch_change_nothing(name: str) -> None:
    """channels_last, and each image alone, give what the batch gives."""
    network, shape = thin(name)
    network.eval()
    images = torch.randn(shape)
    with torch.no_grad():
        expected = outputs(network(images.clone()))
        alone = [outputs(network(image[None].clone())) for image in images]
        last = outputs(
            network.to(memory_format=torch.channels_last)(
                images.contiguous(memory_format=torch.channels_last)
            )
        )
    for i, out in enumerate(expected):
        tolerance = {"rtol": 1e-3, "atol": 1e-4 * float(out.abs().max())}
        torch.testing.assert_close(last[i], out, **tolerance)
        torch.testing.assert_close(torch.cat([one[i] for one in alone]), out, **tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(REPRESENTATIVES.values()))
def test_the_form_for_inference_computes_the_same(name: str) -> None:
    network, shape = thin(name)
    network.eval()
    better = sy.optimize_for_inference(network)
    cheaper, plain = (sy.capture(m, input_shape=shape) for m in (better, network))
    assert len(cheaper.layers) <= len(plain.layers)
    assert sy.cost(cheaper).total.access_bytes <= sy.cost(plain).total.access_bytes


@pytest.mark.slow
def test_the_largest_network_is_captured_in_seconds() -> None:
    """Huang et al. 2018 (arXiv:1811.06965): AmoebaNet-B (6, 512), 557 million parameters."""
    load = sy.capture("amoebanet_b_gpipe", deadline_s=60)
    assert round(load.params / 1e6) == 557
