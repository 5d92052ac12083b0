"""Activations against the formulas of their papers."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch

from steelyard.errors import UsageError
from steelyard.layers.activations import Activation, activation, h_sigmoid, h_swish

X = torch.linspace(-6, 8, 113, dtype=torch.float64)


def test_h_swish_is_the_papers_formula() -> None:
    """Howard et al. 2019, sec. 5.2: x ReLU6(x + 3) / 6; by hand at -3, -1, 0, 1, 3, 5."""
    points = torch.tensor([-3.0, -1, 0, 1, 3, 5])
    by_hand = torch.tensor([0, -1 / 3, 0, 2 / 3, 3, 5])
    torch.testing.assert_close(h_swish(points), by_hand)
    torch.testing.assert_close(activation("h_swish")(X.clone()), h_swish(X))
    torch.testing.assert_close(activation("h_sigmoid")(X.clone()), h_sigmoid(X))


def test_swish_is_x_times_the_logistic() -> None:
    torch.testing.assert_close(activation("swish")(X.clone()), X / (1 + torch.exp(-X)))
    torch.testing.assert_close(activation("sigmoid")(X), 1 / (1 + torch.exp(-X)))


def test_relu_and_relu6() -> None:
    assert activation("relu")(torch.tensor([-1.0, 7.0])).tolist() == [0, 7]
    assert activation("relu6")(torch.tensor([-1.0, 7.0])).tolist() == [0, 6]


def test_every_name_is_made_and_others_are_refused() -> None:
    assert all(activation(name) is not None for name in get_args(Activation))
    unknown: Any = "gelu"
    with pytest.raises(UsageError, match=r"no activation is named 'gelu'\nexpected: relu.*h_swish"):
        activation(unknown)
