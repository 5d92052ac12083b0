"""RBF outputs are negated squared distances to the codes."""

from __future__ import annotations

import torch

from steelyard.layers.rbf import RBFOutput


def test_negated_squared_distances() -> None:
    codes = [[1, -1, 1, 1], [-1, -1, 1, -1], [1, 1, 1, 1]]
    layer = RBFOutput(codes)
    features = torch.randn(5, 4)
    distances = torch.cdist(features, torch.tensor(codes, dtype=torch.float32)) ** 2
    torch.testing.assert_close(layer(features), -distances, rtol=1e-4, atol=1e-5)
    assert layer(torch.tensor(codes, dtype=torch.float32)).argmax(1).tolist() == [0, 1, 2]


def test_codes_are_saved_and_not_trained() -> None:
    layer = RBFOutput([[1, -1]])
    assert list(layer.parameters()) == []
    assert list(layer.state_dict()) == ["codes"]
