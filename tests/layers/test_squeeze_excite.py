"""Squeeze-and-excitation against its equations."""

from __future__ import annotations

import torch

from steelyard.layers.activations import activation
from steelyard.layers.squeeze_excite import SqueezeExcite


def test_equations_2_to_4() -> None:
    """Hu et al. 2017: s = sigmoid(W2 relu(W1 z)), z the mean over the map, y = s x."""
    torch.manual_seed(0)
    layer, x = SqueezeExcite(6, 2), torch.randn(2, 6, 4, 5)
    z = x.sum((2, 3)) / 20
    hidden = (z @ layer.fc1.weight.flatten(1).T + layer.fc1.bias).clamp(min=0)
    s = torch.sigmoid(hidden @ layer.fc2.weight.flatten(1).T + layer.fc2.bias)
    torch.testing.assert_close(layer(x), x * s[:, :, None, None])


def test_zero_weights_and_hard_gate_halve() -> None:
    layer = SqueezeExcite(4, 1, gate=activation("h_sigmoid"), bias=False)
    torch.nn.init.zeros_(layer.fc2.weight)
    x = torch.randn(1, 4, 3, 3)
    torch.testing.assert_close(layer(x), x / 2)
