"""Trainable subsampling against the paper's words: sum, times a coefficient, plus a bias."""

from __future__ import annotations

import torch

from steelyard.layers.subsampling import Subsampling


def test_gain_and_bias_of_the_sum_of_four() -> None:
    layer = Subsampling(3)
    image = torch.randn(2, 3, 8, 6)
    sums = image.unfold(2, 2, 2).unfold(3, 2, 2).sum((-1, -2))
    coefficient = layer.gain / 4
    torch.testing.assert_close(layer(image), sums * coefficient + layer.bias)


def test_two_parameters_a_map() -> None:
    assert sum(p.numel() for p in Subsampling(16).parameters()) == 32


def test_initial_coefficients_follow_the_fan_in() -> None:
    layer = Subsampling(2000)
    assert 0.55 < (layer.gain / 4).abs().max().item() <= 0.6  # 2.4 / 4
    assert 0.55 < layer.bias.abs().max().item() <= 0.6
