"""`PartCosts`: sums over parts are those of the whole network; also the latency, where the predictor is a plain sum."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from steelyard.design.search import PartCosts
from steelyard.design.search.parts import captured, counts_of
from steelyard.design.spaces import MobileSpace, MobileStage, space_from
from steelyard.measure.environment import environment
from steelyard.measure.predictor.calibration import Calibration, Record
from steelyard.measure.predictor.model import KindModel, Model
from steelyard.measure.predictor.prediction import predict, works_of
from steelyard.measure.predictor.trees import constant


def space() -> MobileSpace:
    stages = (
        MobileStage(channels=(16, 24), kernel=(3, 5), expansion=(1.0, 3.0)),
        MobileStage(channels=(24, 40), repeats=(1, 2, 3), se=(0.0, 0.25), stride=2),
    )
    return MobileSpace("space", stages, resolution=(64, 96), width=(1.0, 1.25))


def calibration(random: Random) -> Calibration:
    """Seconds are sums of costs alone: a call, MACs, reading, writing, weights; nothing for fresh memory."""
    dice, found = Random(5), space()
    kinds = {
        work.kind
        for _ in range(10)
        for work in works_of(captured(found, found.sample(random)), "eager", {})[0]
    }
    costs = [np.array([*(dice.random() * 1e-9 for _ in range(5)), 0.0]) for _ in kinds]
    model = Model(
        {k: KindModel(c, constant(0.0), 40) for k, c in zip(sorted(kinds), costs, strict=True)}
    )
    record = Record(
        "eager", 1, "2026-01-02T03:04:05+00:00", 60.0, (0.1, 1.0), 60, 2400, (0.05,), (), environment()
    )  # fmt: skip
    return Calibration(record, model)


def test_every_part_is_captured_once() -> None:
    costs, random, found = PartCosts(space()), Random(0), space()
    points = [found.sample(random) for _ in range(20)]
    keys = {(part.key, part.shape) for point in points for part in found.parts(point)}
    first = [costs(point) for point in points]
    assert costs.remembered == len(keys) < 20 * 4
    assert [costs(point) for point in points] == first
    assert costs.remembered == len(keys)


def test_latency_of_the_parts_is_that_of_the_whole_where_costs_add_up() -> None:
    random, found = Random(1), space()
    known = calibration(random)
    costs = PartCosts(found, known)
    for _ in range(5):
        point = found.sample(random)
        load = captured(found, point)
        assert costs.latency_s(point) == pytest.approx(predict(load, known).seconds, rel=1e-9)
        assert costs(point) == counts_of(load)


def test_no_latency_without_a_calibration_or_a_chain() -> None:
    random, found = Random(2), space()
    assert PartCosts(found).latency_s(found.sample(random)) is None
    wired = space_from({"kind": "wiring", "nodes": 5, "filters": 8, "resolution": 32}, "wired")
    point = wired.sample(random)
    assert PartCosts(wired, calibration(random)).latency_s(point) is None
    assert PartCosts(wired)(point) == counts_of(captured(wired, point))
