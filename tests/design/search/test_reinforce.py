"""The controller: its gradient against enumeration, that it learns, and that a search that was cut off goes on alike."""

from __future__ import annotations

from random import Random
from statistics import mean, median, pstdev

import pytest
import torch
from tests.design.search.test_strategies import Plain, run, single

from steelyard.design.search import RandomSearch, Reinforce
from steelyard.design.search.controller import Baseline, Controller, ControllerShape
from steelyard.design.spaces import Choice, Point, SearchSpace
from steelyard.errors import UsageError

SHAPE = ControllerShape(hidden=4, layers=2, spread=0.8)


class Small(SearchSpace):
    """24 points; one choice has a single value."""

    kind = "small"
    name = "small"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(Choice(f"c{i}", tuple(range(n))) for i, n in enumerate((2, 1, 3, 4)))

    def input_shape(self, point: Point) -> tuple[int, int, int, int]:
        return (1, 1, 1, 1)


class Even(Small):
    """Only points whose indices have an even sum."""

    coupled = ("c",)

    def allowed(self, values: dict[str, int]) -> bool:  # type: ignore[override]
        return sum(values.values()) % 2 == 0


def gradient(controller: Controller, loss: torch.Tensor) -> torch.Tensor:
    found = torch.autograd.grad(loss, list(controller.parameters()), materialize_grads=True)
    return torch.cat([one.flatten() for one in found])


@pytest.mark.parametrize("bounds", [(1.0, 0.0), (5.0, 2.5)], ids=["nas", "enas"])
def test_the_mean_of_the_estimate_is_the_gradient_of_the_expected_reward(
    bounds: tuple[float, float],
) -> None:
    """Over all 24 points, whatever the baseline: E[grad log P(a) (R(a) - b)] = grad sum P(a) R(a)."""
    shape = ControllerShape(4, 2, 0.8, *bounds)
    controller = Controller(Small(), shape, seed=3).double()
    torch.set_default_dtype(torch.float64)
    try:
        points = list(Small().points())
        random = Random(0)
        rewards = [random.random() for _ in points]
        chances = controller(points)[0].exp()
        assert chances.sum().item() == pytest.approx(1, abs=1e-12)
        exact = gradient(controller, (chances * torch.tensor(rewards)).sum())
        for baseline in (0.0, 0.7):
            estimates = [
                p * -gradient(controller, controller.loss([point], [reward - baseline]))
                for p, point, reward in zip(chances.tolist(), points, rewards, strict=True)
            ]
            torch.testing.assert_close(sum(estimates), exact, rtol=1e-9, atol=1e-12)
        entropy = -(chances * chances.log()).sum()  # the chain rule: the mean of the sums
        told = (chances * controller(points)[1]).sum()
        assert told.item() == pytest.approx(entropy.item(), rel=1e-9)
    finally:
        torch.set_default_dtype(torch.float32)


def test_points_are_drawn_as_often_as_the_controller_says() -> None:
    controller = Controller(Small(), SHAPE, seed=1)
    points = list(Small().points())
    with torch.no_grad():
        chances = controller(points)[0].exp().tolist()
    random, drawn = Random(5), 2000
    found = [controller.sample(random) for _ in range(drawn)]
    for point, p in zip(points, chances, strict=True):
        assert abs(found.count(point) / drawn - p) < 5 * (p * (1 - p) / drawn) ** 0.5
    assert Small().contains(controller.likeliest())


def test_points_that_are_not_allowed_are_not_drawn() -> None:
    controller = Controller(Even(), SHAPE)
    random = Random(0)
    assert all(sum(controller.sample(random)) % 2 == 0 for _ in range(50))


def test_the_advantage_is_over_a_moving_mean_in_standard_deviations() -> None:
    rewards = [3.0, 5.0, 1.0, 9.0]
    one, moving, found = Baseline(0.9), 3.0, []
    for i, reward in enumerate(rewards):
        spread = pstdev(rewards[: i + 1])
        found.append((reward - moving) / spread if spread else 0.0)
        moving = 0.9 * moving + 0.1 * reward
    assert [one.advantage(reward) for reward in rewards] == pytest.approx(found)


def test_it_finds_more_than_chance_and_writes_better_networks_as_it_learns() -> None:
    space, ours, chance, late = Plain(), [], [], []
    for seed in range(3):
        found = [value for (value,) in run(Reinforce(space, seed), single, 200)]
        ours.append(min(found))
        late.append(mean(found[-20:]) < mean(found[:20]) / 3)
        chance.append(min(run(RandomSearch(space, seed), single, 200))[0])
    assert all(late)
    assert median(ours) < median(chance)


def test_a_search_that_was_cut_off_goes_on_as_if_it_had_not_been() -> None:
    space, whole, first = Plain(), Reinforce(Plain(), 2), Reinforce(Plain(), 2)
    points = []
    for number in range(30):
        points.append(whole.propose(number, 0))
        whole.tell(points[-1], single(points[-1].point))
    for number in range(21):
        first.tell(points[number], None)  # what came of a point that was turned down is not learnt
        first.tell(first.adopt(points[number].point), single(points[number].point))
    for number in range(21, 30):
        again = first.propose(number, 0)
        assert again.point == points[number].point
        first.tell(again, single(again.point))
    assert space.contains(first.controller.likeliest())


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="a batch of 0"):
        Reinforce(Plain(), 0, batch=0)
