"""`learning_rate`: the rate of any step, by a closed formula; nothing is kept from step to step."""

from __future__ import annotations

import math

from steelyard.train.recipe import SchedulePart

__all__ = ["learning_rate"]


def learning_rate(
    schedule: SchedulePart, base: float, step: int, *, steps_per_epoch: int, epochs: int
) -> float:
    """The learning rate of step ``step``, which is the number of steps done before it.

    With W steps of warm-up, T in all, b the base rate, s the share that warm-up begins above, f the
    share at the end, e = step / steps_per_epoch:

    ===========  =========================================================================
    warm-up      b (s + (1 - s) (step + 1) / W), while step < W (Goyal et al. 2017, sec. 2.2)
    cosine       b (f + (1 - f) (1 + cos(pi (step - W) / (T - W))) / 2) (Loshchilov 2016, eq. 5)
    linear       b (f + (1 - f) (1 - (step - W) / (T - W)))
    step         b gamma^(milestones that are <= e)
    exponential  b gamma^floor(e / every)
    inverse      b (1 + gamma step)^-power (Caffe's ``inv``)
    constant     b
    ===========  =========================================================================
    """
    warmup = round(schedule.warmup_epochs * steps_per_epoch)
    if step < warmup:
        start = schedule.warmup_start
        return base * (start + (1 - start) * (step + 1) / warmup)
    epoch = step / steps_per_epoch
    total = epochs * steps_per_epoch
    over = (step - warmup) / max(1, total - warmup)
    match schedule.kind:
        case "cosine":
            rest = (1 + math.cos(math.pi * over)) / 2
            return base * (schedule.final + (1 - schedule.final) * rest)
        case "linear":
            return base * (schedule.final + (1 - schedule.final) * (1 - over))
        case "step":
            passed = sum(step >= round(mark * steps_per_epoch) for mark in schedule.milestones)
            return base * schedule.gamma**passed
        case "exponential":
            # a share of a step is rounding: 2.4 epochs are over when 2.4 epochs of steps are done
            return base * schedule.gamma ** math.floor(epoch / schedule.every + 1e-9)
        case "inverse":
            return base * float((1 + schedule.gamma * step) ** -schedule.power)
        case "constant":
            return base
