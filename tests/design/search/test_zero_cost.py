"""`naswot` by its definition, image by image, and rank correlation by scipy's."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

import steelyard as sy
from steelyard.design.search.zero_cost import IMAGES, naswot, rank_correlation, score_of
from steelyard.errors import ModelError


def test_the_score_is_its_definition() -> None:
    """K_ij = N - Hamming distance of the codes of images i and j (eq. 2 of the paper)."""
    random = Random(0)
    codes = [[random.random() < 0.5 for _ in range(40)] for _ in range(6)]
    k = np.array(
        [[40 - sum(a != b for a, b in zip(x, y, strict=True)) for y in codes] for x in codes]
    )
    assert score_of(torch.tensor(codes)) == pytest.approx(math.log(np.linalg.det(k)))


def test_codes_are_those_of_the_rectifiers_inputs() -> None:
    """One layer, so that the codes can be worked out from its weights."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 2))
    noise = torch.randn(IMAGES, 3, 2, 2, generator=torch.Generator().manual_seed(3))
    on = noise.flatten(1) @ net[1].weight.T + net[1].bias > 0
    assert naswot(net, (1, 3, 2, 2), seed=3) == pytest.approx(score_of(on))


def test_the_network_is_left_as_it_is() -> None:
    net = sy.create("resnet20_cifar").eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    first = naswot(net, (1, 3, 32, 32))
    assert naswot(net, (1, 3, 32, 32)) == first
    assert not net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_networks_that_have_no_score() -> None:
    with pytest.raises(ModelError, match="has none"):
        naswot(nn.Conv2d(3, 4, 3), (1, 3, 8, 8))
    with pytest.raises(ModelError, match="tells two images apart"):
        score_of(torch.ones(4, 10, dtype=torch.bool))


def test_rank_correlation_is_scipys() -> None:
    random = Random(1)
    for _ in range(20):
        a, b = ([random.randrange(8) for _ in range(15)] for _ in range(2))
        assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) == 0


def test_a_search_by_score() -> None:
    found = sy.search("digits_mobile", "naswot,macs", trials=4, strategy="random")
    trial = found.trials[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = found.network(trial)
    assert trial.values["naswot"] == pytest.approx(-naswot(network, (1, 1, 8, 8)))
    assert "a proxy for accuracy" in found.facts["naswot"]
    assert "naswot and error" not in found.facts
