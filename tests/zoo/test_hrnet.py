"""HRNet: its branches, its head, and any number of them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from steelyard.errors import UsageError
from steelyard.zoo.hrnet import Exchange
from steelyard.zoo.registry import create


def on_meta(name: str, **settings: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


@pytest.mark.parametrize("c", [18, 48])
def test_branches_of_all_resolutions_run_to_the_end(c: int) -> None:
    """Fig. 2 of the paper: C, 2C, 4C, 8C channels at 1/4, 1/8, 1/16, 1/32."""
    with torch.device("meta"):
        backbone = create(f"hrnet_w{c}", features_only=True)
    assert backbone.channels == (64, c, 2 * c, 4 * c, 8 * c)
    assert backbone.strides == (2, 4, 8, 16, 32)


def test_a_backbone_has_no_classification_head() -> None:
    with torch.device("meta"):
        backbone = create("hrnet_w18", features_only=True)
    names = {name.split(".")[1] for name, _ in backbone.named_parameters()}
    assert names.isdisjoint({"incre_modules", "downsamp_modules", "final_layer", "classifier"})
    assert "stage4" in names


def test_exchange_modules_per_stage() -> None:
    """Appendix: 1, 4 and 3 modules of 2, 3 and 4 branches, 4 blocks each."""
    network = on_meta("hrnet_w18")
    modules = [
        [len(m.branches) for m in network.get_submodule(f"stage{i}").children()] for i in (2, 3, 4)
    ]
    assert modules == [[2], [3] * 4, [4] * 3]
    found = [m for m in network.modules() if isinstance(m, Exchange)]
    assert {len(branch) for m in found for branch in m.branches} == {4}


@pytest.mark.parametrize("side", [32, 33, 65, 97])
def test_odd_resolutions(side: int) -> None:
    network = on_meta("hrnet_w18_small")
    assert network(torch.empty(2, 3, side, side, device="meta")).shape == (2, 1000)


@pytest.mark.parametrize("modules", [(1,), (1, 1), (1, 1, 1, 1)])
def test_other_numbers_of_branches(modules: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    settings = {"modules": modules, "blocks": 1, "channels": 4, "width": 0.25, "num_classes": 3}
    network = create("hrnet_w18_small", **settings)
    out = network(torch.randn(2, 3, 128, 128))
    assert out.shape == (2, 3)
    out.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_too_many_branches() -> None:
    with pytest.raises(UsageError, match="gives 8 stages"):
        create("hrnet_w18", modules=(1,) * 8)
