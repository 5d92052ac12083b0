"""The counts of `evaluate` equal what the simulator counts by executing the nest."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_cases import devices, mappings, problems

from steelyard.hardware.device import Accelerator
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.mapping import Mapping
from steelyard.hardware.problem import Problem
from steelyard.hardware.simulator import simulate
from steelyard.hardware.transfers import flatten, footprint


def agree(problem: Problem, mapping: Mapping, device: Accelerator) -> None:
    found = evaluate(problem, mapping, device)
    truth = simulate(problem, mapping, device)
    assert truth.macs == found.macs == problem.macs
    assert truth.compute_cycles == found.compute_cycles
    for access in found.accesses:
        for word in ("reads", "fills", "updates", "psum_reads", "drains"):
            counted = truth.counts[access.level, access.operand, word]
            assert getattr(access, word) == counted, (access, word, counted)
    for crossing in found.crossings:
        assert crossing.elements == truth.crossed[crossing.axis, crossing.operand], crossing
    places = {level.name: place for place, level in enumerate(device.levels)}
    for operand in mapping.resident:
        assert found.access("dram", operand).total == 0
    for (level, operand), most in truth.peak.items():
        start = mapping.start(device, operand, places[level])
        assert footprint(problem, flatten(mapping), operand, start) == most
    n, g, m, c, p, q, r, s = problem.sizes
    outputs = set(product(range(n), range(g), range(m), [0], range(p), range(q), [0], [0]))
    assert set(truth.sums) == outputs
    assert set(truth.sums.values()) == {c * r * s}


CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=CHECKS)
def test_random_layers_mappings_and_devices(data: st.DataObject) -> None:
    problem = data.draw(problems(limit=150))
    device = data.draw(devices())
    agree(problem, data.draw(mappings(problem, device, living=True)), device)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=5000, deadline=None, suppress_health_check=CHECKS)
def test_thousands_of_random_layers_mappings_and_devices(data: st.DataObject) -> None:
    problem = data.draw(problems(limit=400))
    device = data.draw(devices())
    agree(problem, data.draw(mappings(problem, device, living=True)), device)


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=CHECKS)
def test_random_uneven_mappings(data: st.DataObject) -> None:
    problem = data.draw(problems(limit=150))
    device = data.draw(devices())
    agree(problem, data.draw(mappings(problem, device, living=True, uneven=True)), device)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=5000, deadline=None, suppress_health_check=CHECKS)
def test_thousands_of_random_uneven_mappings(data: st.DataObject) -> None:
    problem = data.draw(problems(limit=400))
    device = data.draw(devices())
    agree(problem, data.draw(mappings(problem, device, living=True, uneven=True)), device)
