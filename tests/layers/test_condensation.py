"""The schedule's callback and the conversion of whole networks."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from steelyard.errors import UsageError
from steelyard.layers.condensation import CondensationSchedule, condense
from steelyard.layers.condensed import CondensedConv2d, CondensedLinear, CondensedUnit
from steelyard.layers.learned_group_conv import (
    LearnedGroupConv2d,
    LearnedGroupUnit,
    LearnedLinear,
)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        LearnedGroupUnit(8, 8, groups=4),
        nn.Sequential(LearnedGroupConv2d(8, 12, groups=2, condensation=2), nn.BatchNorm2d(12)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        LearnedLinear(12, 5),
    )


def stages(model: nn.Module) -> list[int]:
    learnt = (LearnedGroupConv2d, LearnedLinear)
    return [m.stage for m in model.modules() if isinstance(m, learnt)]


def test_epochs_drive_the_stages() -> None:
    """120 epochs, C = 4: drops at 20, 40, 60; C = 2: one at 60 (fig. 4; sec. 4.2 for the classifier)."""
    model = network()
    schedule = CondensationSchedule(model)
    seen = {}
    for epoch in range(120):
        schedule.update(epoch, 120)
        seen.setdefault(tuple(stages(model)), epoch)
    assert seen == {(0, 0, 0): 0, (1, 0, 0): 20, (2, 0, 0): 40, (3, 1, 1): 60}


def test_training_resumes_from_a_checkpoint() -> None:
    model = network()
    CondensationSchedule(model).update(0.4)
    again = network()
    again.load_state_dict(model.state_dict())
    CondensationSchedule(again).update(0.4)
    assert stages(again) == stages(model)
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in model.state_dict().items())


def test_penalty_counts_what_still_condenses() -> None:
    model = network()
    schedule = CondensationSchedule(model)
    unit, conv = model[1], model[2][0]
    total = unit.conv.group_lasso() + conv.group_lasso()
    torch.testing.assert_close(schedule.penalty(), total)
    schedule.update(1.0)
    assert schedule.penalty().item() == 0


def test_progress_beyond_the_end_is_refused() -> None:
    with pytest.raises(UsageError, match="expected: 0 to 1"):
        CondensationSchedule(network()).update(130, 120)


@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("train", [False, True])
def test_a_condensed_network_is_equal(progress: float, train: bool) -> None:
    model = network().double().train(train)
    CondensationSchedule(model).update(progress)
    before = copy.deepcopy(model.state_dict())
    condensed = condense(model)
    assert [type(m) for m in condensed.modules() if type(m).__name__.startswith("Condensed")] == [
        CondensedUnit,
        CondensedConv2d,
        CondensedLinear,
    ]
    image = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(condensed(image), copy.deepcopy(model)(image))
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_training_with_schedule_and_penalty_learns() -> None:
    """A few steps on two classes of noise: the loss falls although three quarters are dropped."""
    model = network()
    schedule = CondensationSchedule(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    target = torch.arange(16) % 2
    image = torch.randn(16, 3, 8, 8) + target.view(-1, 1, 1, 1)
    losses = []
    for step in range(60):
        schedule.update(step, 60)
        loss = nn.functional.cross_entropy(model(image), target)
        (loss + 1e-5 * schedule.penalty()).backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert stages(model) == [3, 1, 1]
    assert losses[-1] < 0.2 < losses[0]
