"""Learning rates beside PyTorch's own schedulers, which go step by step."""

import math

import pytest
import torch
from torch.optim import SGD
from torch.optim import lr_scheduler as theirs

from steelyard.train.recipe import SchedulePart
from steelyard.train.schedules import learning_rate

PER_EPOCH, EPOCHS = 7, 10
TOTAL = PER_EPOCH * EPOCHS


def ours(part: SchedulePart) -> list[float]:
    return [
        learning_rate(part, 0.4, step, steps_per_epoch=PER_EPOCH, epochs=EPOCHS)
        for step in range(TOTAL)
    ]


def stepped(scheduler: type[theirs.LRScheduler], **settings: object) -> list[float]:
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    schedule = scheduler(optimizer, **settings)  # type: ignore[arg-type]
    rates = []
    for _ in range(TOTAL):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize(
    ("part", "theirs"),
    [
        (SchedulePart("cosine"), stepped(theirs.CosineAnnealingLR, T_max=TOTAL)),
        (SchedulePart("cosine", final=0.05), stepped(theirs.CosineAnnealingLR, T_max=TOTAL, eta_min=0.02)),
        (SchedulePart("linear"), stepped(theirs.LinearLR, start_factor=1, end_factor=0, total_iters=TOTAL)),
        (SchedulePart("step", milestones=(5, 7.5)), stepped(theirs.MultiStepLR, milestones=[35, 52], gamma=0.1)),
        (SchedulePart("exponential", gamma=0.97, every=2), stepped(theirs.StepLR, step_size=14, gamma=0.97)),
        (SchedulePart("constant"), [0.4] * TOTAL),
        (
            SchedulePart("inverse", gamma=1e-4, power=0.75),
            stepped(theirs.LambdaLR, lr_lambda=lambda step: (1 + 1e-4 * step) ** -0.75),
        ),
        (
            SchedulePart("constant", warmup_epochs=2, warmup_start=0.1),
            # theirs begins at the start, ours a step above it, as both end with the full rate
            stepped(theirs.LinearLR, start_factor=0.1 + 0.9 / 14, total_iters=13),
        ),
    ],
    ids="cosine cosine-to-0.05 linear step exponential constant inverse warm-up".split(),
)  # fmt: skip
def test_the_closed_formula_is_the_recursion(part: SchedulePart, theirs: list[float]) -> None:
    assert ours(part) == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_cosine_begins_where_warm_up_ends() -> None:
    rates = ours(SchedulePart("cosine", warmup_epochs=3))
    assert rates[:21] == pytest.approx([0.4 * (i + 1) / 21 for i in range(21)])
    assert rates[21] == 0.4
    assert rates[21:] == pytest.approx([0.2 * (1 + math.cos(math.pi * i / 49)) for i in range(49)])


def test_efficientnets_drop_of_every_2_4_epochs() -> None:
    # with 5 steps an epoch the drops are 12 steps apart
    part = SchedulePart("exponential", gamma=0.97, every=2.4)
    rates = [learning_rate(part, 1.0, s, steps_per_epoch=5, epochs=99) for s in range(40)]
    assert rates == pytest.approx([0.97 ** (s // 12) for s in range(40)])
