"""Stages equal the whole, bit for bit; rows of a state; logits of all exits; what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from steelyard.dynamic.early_exit import (
    EarlyExit,
    as_early_exit,
    exit_logits,
    leaves,
    map_leaves,
    rows,
    run_stages,
)
from steelyard.errors import InputError, ShapeError, UsageError
from steelyard.zoo.registry import create

TINY: dict[str, Any] = {"channels": 4, "growth": 2, "blocks": 4, "classifier_channels": 8}


def msdnet(name: str = "msdnet5_budgeted_cifar") -> Any:
    torch.manual_seed(0)
    return create(name, **TINY).eval()


@pytest.mark.parametrize("name", ["msdnet5_budgeted_cifar", "msdnet7_anytime_cifar"])
def test_msdnet_stage_by_stage_is_the_whole(name: str) -> None:
    network, images = msdnet(name), torch.randn(3, 3, 32, 32)
    assert isinstance(network, EarlyExit)
    staged = run_stages(network, images)
    assert len(staged) == network.exits == 4
    assert all(torch.equal(a, b) for a, b in zip(staged, network(images), strict=True))


def test_nothing_is_computed_twice() -> None:
    network = msdnet()
    ran: list[nn.Module] = []
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(lambda module, *_: ran.append(module))
    run_stages(network, torch.randn(1, 3, 32, 32))
    every = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(ran) == len(every) == len(set(ran))


def test_rows_of_a_state_go_on_as_those_samples_alone() -> None:
    network, images = msdnet().double(), torch.randn(5, 3, 32, 32).double()
    _, state = network.advance(0, network.begin(images))
    kept = torch.tensor([True, False, True, False, True])
    _, alone = network.advance(0, network.begin(images[kept]))
    for index in (kept, torch.tensor([0, 2, 4])):
        picked = rows(state, index)
        for ours, theirs in zip(leaves(picked), leaves(alone), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_states_nest() -> None:
    state = {"a": [torch.arange(3), (torch.ones(3, 2),)], "b": torch.zeros(3)}
    picked = rows(state, torch.tensor([2]))
    assert picked["a"][0].tolist() == [2]
    assert isinstance(picked["a"][1], tuple)
    assert [len(leaf) for leaf in leaves(picked)] == [1, 1, 1]
    doubled = map_leaves(lambda leaf: leaf * 2, state)
    assert doubled["a"][0].tolist() == [0, 2, 4]


def test_what_is_no_state_is_refused() -> None:
    with pytest.raises(UsageError, match="holds a int"):
        rows([torch.ones(2), 3], torch.tensor([0]))
    with pytest.raises(ShapeError, match="mask of 2 samples"):
        rows([torch.ones(3)], torch.tensor([True, False]))


def test_logits_of_all_exits_leave_the_network_as_it_was() -> None:
    network = msdnet().train()
    network.blocks[0].eval()
    modes = [module.training for module in network.modules()]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    images = torch.randn(5, 3, 32, 32)
    logits = exit_logits(network, images.split(2))
    assert logits.shape == (4, 5, 10)
    assert modes == [module.training for module in network.modules()]
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    with torch.no_grad():
        last = network.eval()(images)[-1]
    np.testing.assert_allclose(logits[-1], last.numpy(), rtol=1e-4, atol=1e-5)


def test_no_images_and_exits_that_disagree() -> None:
    with pytest.raises(InputError, match="no images to run the exits on"):
        exit_logits(msdnet(), [])
    network = msdnet()
    network.classifiers[1].linear = nn.Linear(8, 7)
    with pytest.raises(ShapeError, match=r"\(1, 10\), \(1, 7\)"):
        exit_logits(network, [torch.randn(1, 3, 32, 32)])


def test_a_network_without_exits_is_told_how_to_get_them() -> None:
    with pytest.raises(UsageError, match="attach_exits"):
        as_early_exit(nn.Linear(1, 1))


class _Shared(nn.Module):
    """An own network of the same form."""

    exits = 1

    def begin(self, images: Tensor) -> Tensor:
        return images

    def advance(self, stage: int, state: Tensor) -> tuple[Tensor, Tensor]:
        return state.flatten(1), state

    def forward(self, images: Tensor) -> list[Tensor]:
        return run_stages(self, images)


def test_a_user_s_own_network_fits_without_inheritance() -> None:
    assert as_early_exit(_Shared()).exits == 1
