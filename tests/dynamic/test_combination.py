"""Combined exits: weights by theory, better than the last exit alone, and the same in PyTorch as in numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from steelyard.dynamic.calibration import fit_temperatures, mean_loss
from steelyard.dynamic.combination import combine, fit_combination
from steelyard.dynamic.combined_exits import CombinedExits
from steelyard.dynamic.early_exit import exit_logits, rows, run_stages
from steelyard.dynamic.engine import run_all
from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.dynamic.torch_stages import TorchStages
from steelyard.errors import UsageError

Made = Callable[..., ExitOutputs]


def test_weights_are_those_of_the_likelihood(made: Made) -> None:
    # Gaussian noise of covariance S around s at the label: the log-likelihood weighs exits by S^-1 s
    found = fit_combination(made(samples=40_000, heat=2))
    strength = np.array([1.5, 2.0, 2.5, 3.0])
    for stage, row in enumerate(found):
        covariance = 0.64 + 0.36 * np.eye(stage + 1)
        theirs = np.linalg.solve(covariance, strength[: stage + 1]) / 2
        assert row == pytest.approx(theirs, abs=0.05)


def test_the_first_exit_is_calibrated_as_by_a_temperature(made: Made) -> None:
    outputs = made(heat=3)
    assert fit_combination(outputs)[0][0] == pytest.approx(
        1 / fit_temperatures(outputs)[0], rel=1e-4
    )


def test_later_exits_are_better_for_it(made: Made) -> None:
    validation, held_out = made(samples=3000), made(samples=20_000, seed=1)
    found = combine(held_out, fit_combination(validation))
    before, after = held_out.correct.mean(1), found.correct.mean(1)
    assert after[0] == before[0]
    assert (after[1:] > before[1:] - 0.002).all()
    assert after[3] > before[3] + 0.003
    for stage in range(4):
        assert mean_loss(found.logits[stage], found.labels) < mean_loss(held_out.logits[stage], held_out.labels)  # fmt: skip


def test_exits_that_say_the_same(made: Made) -> None:
    outputs = made(exits=1)
    twice = ExitOutputs.of([outputs.logits[0], outputs.logits[0]], outputs.labels)
    found = fit_combination(twice)
    assert sum(found[1]) == pytest.approx(found[0][0], rel=1e-3)


class Chain(nn.Module):
    """Three linear layers, an exit behind each."""

    def __init__(self) -> None:
        super().__init__()
        self.exits = 3
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))
        self.heads = nn.ModuleList(nn.Linear(6, 4) for _ in range(3))

    def begin(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def advance(self, stage: int, state: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.tanh(self.layers[stage](state))
        return self.heads[stage](features), features

    def forward(self, images: Tensor) -> list[Tensor]:
        return run_stages(self, images)


def test_in_pytorch_as_in_numpy() -> None:
    torch.manual_seed(0)
    network, images = Chain().eval(), torch.randn(20, 1, 2, 3)
    weights = ((0.7,), (0.2, 0.9), (-0.1, 0.3, 1.1))
    combined = CombinedExits(network, weights).eval()
    plain = ExitOutputs.of(exit_logits(network, [images]), np.zeros(20, dtype=int))
    expected = combine(plain, weights).logits
    np.testing.assert_allclose(exit_logits(combined, [images]), expected, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        state = combined.begin(images)
        _, state = combined.advance(0, state)
        logits, _ = combined.advance(1, rows(state, torch.tensor([3, 5])))
    np.testing.assert_allclose(logits, expected[1, [3, 5]], rtol=1e-5, atol=1e-6)
    loaded = CombinedExits(network, ((1.0,), (1.0, 1.0), (1.0, 1.0, 1.0))).eval()
    stages = TorchStages(loaded)
    loaded.load_state_dict(combined.state_dict())
    assert np.array_equal(exit_logits(loaded, [images]), exit_logits(combined, [images]))
    assert np.array_equal(run_all(stages, images), exit_logits(combined, [images]))


def test_weights_of_other_networks(made: Made) -> None:
    with pytest.raises(UsageError, match=r"weights of \[1, 2, 3\] exits for a network of 4"):
        combine(made(), fit_combination(made(exits=3)))
    with pytest.raises(UsageError, match="for a network of 3"):
        CombinedExits(Chain(), ((1.0,), (1.0,), (1.0,)))
