"""The study's hardware for each dataflow: the sizes that its re-run lists, the costs that its text states."""

from __future__ import annotations

import pytest
from published import alexnet, rows

from steelyard.errors import UnknownNameError
from steelyard.hardware.dataflows import constraints
from steelyard.hardware.device import Memory
from steelyard.hardware.mapper import find_mapping
from steelyard.hardware.problem import Problem
from steelyard.hardware.study_devices import DATAFLOWS, study_device

SIZES = {
    (row["dataflow"], int(row["PEs"])): (int(row["rf_bytes"]), int(row["glb_bytes"]))
    for row in rows("isca16_dataflow_layers.csv")
}


@pytest.mark.parametrize(("name", "pes"), SIZES)
def test_storage_is_that_of_the_re_run(name: str, pes: int) -> None:
    device = study_device(name, pes)
    registers, buffer = SIZES[name, pes]
    assert device.pes == pes
    assert abs(device.level("buffer").capacity_bytes - buffer) <= 2
    inside = [m for m in device.memories if m.name in ("shift", "rf")]
    held = sum(m.capacity_bytes * device.instances(m.name) for m in inside)
    assert held == registers * pes


def test_an_operation_of_output_stationary_costs_what_the_study_says() -> None:
    """Both operands cross the array (2 + 2), the sum is read and written in its register (1 + 1)."""
    for name in ("OSA", "OSB", "OSC"):
        device = study_device(name)
        flow = constraints(DATAFLOWS[name], device)
        cost = find_mapping(Problem.of(alexnet("8", 16)), device, constraints=flow).evaluation
        levels = cost.energy_by_level()
        assert levels["rf"] / cost.macs == pytest.approx(2, rel=0.01)
        assert levels["pes"] / cost.macs == pytest.approx(4, rel=0.01)


def test_no_local_reuse_has_no_registers() -> None:
    assert [m.name for m in study_device("NLR").memories] == ["dram", "buffer"]
    assert all(isinstance(level, Memory) for level in study_device("RS").levels[:2])
    with pytest.raises(UnknownNameError, match="'IS'"):
        study_device("IS")
