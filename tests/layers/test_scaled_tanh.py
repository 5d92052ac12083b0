"""LeCun's squashing function has the properties the paper chose it for."""

from __future__ import annotations

import torch

from steelyard.layers.scaled_tanh import ScaledTanh


def test_properties_of_appendix_a() -> None:
    """f(1) = 1, f(-1) = -1, odd, largest curvature at +-1."""
    x = torch.linspace(-4, 4, 8001, dtype=torch.float64)
    y = ScaledTanh()(x)
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(ScaledTanh()(ends), ends, rtol=0, atol=1e-4)
    torch.testing.assert_close(y, -y.flip(0))
    curvature = torch.diff(y, n=2).abs()
    assert abs(abs(x[curvature.argmax() + 1].item()) - 1.0) < 0.02
