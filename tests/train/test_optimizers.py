"""The optimisers: RMSprop beside its formula, groups without weight decay, the kinds that there are."""

import math

import pytest
import torch
from torch import nn

from steelyard.train.optimizers import RMSpropTF, build_optimizer
from steelyard.train.recipe import OptimizerPart


def test_rmsprop_is_tensorflows_formula_in_plain_numbers() -> None:
    weight = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    optimizer = RMSpropTF([weight], lr=0.1, alpha=0.9, momentum=0.5, eps=1e-3, weight_decay=0.01)
    w, square, moved = 2.0, 1.0, 0.0
    for step in range(20):
        optimizer.zero_grad()
        (weight**2).sum().backward()
        optimizer.param_groups[0]["lr"] = rate = 0.1 / (step + 1)
        optimizer.step()
        gradient = 2 * w + 0.01 * w
        square = 0.9 * square + 0.1 * gradient**2
        moved = 0.5 * moved + rate * gradient / math.sqrt(square + 1e-3)
        w -= moved
        assert weight.item() == pytest.approx(w, rel=1e-12)


def test_rmsprop_is_pytorchs_where_the_two_agree() -> None:
    # without epsilon, with mean squares that begin alike and a constant rate there is no difference
    one, other = (torch.linspace(-1, 1, 9, dtype=torch.float64, requires_grad=True) for _ in "ab")
    ours = RMSpropTF([one], lr=0.01, eps=0.0, alpha=0.9, momentum=0.9)
    theirs = torch.optim.RMSprop([other], lr=0.01, alpha=0.9, momentum=0.9, eps=0.0)
    for optimizer, weight in ((ours, one), (theirs, other)):
        for _ in range(10):
            optimizer.zero_grad()
            ((weight - 3) ** 2).sum().backward()
            if not optimizer.state[weight]:
                optimizer.step()
                optimizer.state[weight]["square_avg"].fill_(1)
                optimizer.state[weight]["momentum_buffer"].zero_()
                with torch.no_grad():
                    weight.copy_(torch.linspace(-1, 1, 9))
            else:
                optimizer.step()
    torch.testing.assert_close(one, other, rtol=1e-12, atol=0)


def test_a_closure_is_evaluated() -> None:
    weight = torch.ones(1, requires_grad=True)

    def closure() -> float:
        loss = (weight**2).sum()
        loss.backward()
        return loss.item()

    assert RMSpropTF([weight], lr=0.1).step(closure) == 1.0


@pytest.mark.parametrize("kind", ["sgd", "adamw", "rmsprop"])
def test_vectors_are_spared_weight_decay_if_the_recipe_says_so(kind: str) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    part = OptimizerPart(kind=kind, lr=0.5, weight_decay=0.2, decay_all=False)  # type: ignore[arg-type]
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
        nn.init.ones_(parameter)
    optimizer = build_optimizer(part, network)
    optimizer.step()
    for parameter in network.parameters():
        assert (parameter == 1).all() == (parameter.ndim == 1)
    everything = build_optimizer(OptimizerPart(kind=kind, weight_decay=0.2), network)  # type: ignore[arg-type]
    assert [group["weight_decay"] for group in everything.param_groups] == [0.2]


def test_what_is_frozen_is_left_out() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    assert len(build_optimizer(OptimizerPart(), network).param_groups[0]["params"]) == 2
