"""Files for Timeloop and ZigZag: read back, they say what the device and the layers say."""

import sys
from math import prod

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given

from steelyard.errors import InputError
from steelyard.hardware.device import Accelerator, Array, Axis, Link, Memory
from steelyard.hardware.export import (
    timeloop_architecture,
    timeloop_problem,
    zigzag_accelerator,
    zigzag_mapping,
    zigzag_workload,
)
from steelyard.hardware.registry import device, list_devices
from steelyard.workload import Layer, LoopNest, Workload

CONV = LoopNest(
    N=2, G=2, M=8, C=4, out=(5, 6), kernel=(3, 2), input=(11, 6), stride=(2, 1), dilation=(2, 1),
    padding=((1, 1), (1, 0)),
)  # fmt: skip
PE = Accelerator(
    "one",
    (
        Memory("dram", read_pj=200, write_pj=200, read_bandwidth=4, write_bandwidth=4),
        Memory("glb", ("I", "O"), capacity_bytes=1024, read_pj=6, write_pj=7, double_buffered=("I", "O")),
        Array(
            "grid",
            (
                Axis("x", 4, {"I": Link("multicast"), "W": Link("neighbour", 2.0)}, ("M",)),
                Axis("y", 3, {"W": Link("multicast"), "O": Link("reduce")}),
            ),
        ),
        Memory("rf", capacity_bytes={"I": 24, "W": 448, "O": 48}, read_pj=1, write_pj=1),
    ),
    mac_pj=0.5,
)  # fmt: skip


def test_energies_that_are_no_joules_are_named() -> None:
    for write in (timeloop_architecture, zigzag_accelerator):
        top = [line for line in write(device("eyeriss_isca16")).splitlines() if line[0] == "#"]
        assert any("multiples of the energy of one MAC, not joules" in line for line in top)
        assert "not joules" not in write(device("eyeriss"))


def workload(*nests):
    layers = tuple(
        Layer(f"conv{i}", "conv", "aten.conv2d", nests=(n,)) for i, n in enumerate(nests)
    )
    return Workload("net", layers, ())


class Loader(yaml.SafeLoader):
    """Reads Timeloop's tags as (tag, content)."""


Loader.add_multi_constructor(
    "!", lambda loader, tag, node: (tag, loader.construct_mapping(node, deep=True))
)


def test_zigzag_workload():
    (layer,) = yaml.safe_load(zigzag_workload(workload(CONV)))
    sizes = dict(zip(layer["loop_dims"], layer["loop_sizes"], strict=True))
    assert sizes == {"B": 2, "G": 2, "K": 4, "C": 2, "OY": 5, "OX": 6, "FY": 3, "FX": 2}
    assert prod(sizes.values()) == CONV.macs
    assert layer["dimension_relations"] == ["ix=1*ox+1*fx", "iy=2*oy+2*fy"]
    # rows: 4 * 2 + 2 * 2 + 1 = 13 positions, 1 before and 1 after the 11 stored; columns: 7, 1 before
    assert layer["pr_loop_sizes"] == [6, 11]
    assert layer["padding"] == [[1, 0], [1, 1]]


@given(
    size=st.integers(1, 12),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    before=st.integers(-2, 3),
    after=st.integers(-2, 3),
)
def test_zigzag_padding_is_what_no_output_reads(size, kernel, stride, dilation, before, after):
    room = size + before + after - (kernel - 1) * dilation - 1
    if room < 0:
        return
    out = room // stride + 1
    nest = LoopNest(
        N=1, G=1, M=1, C=1, out=(out,), kernel=(kernel,), input=(size,), stride=(stride,),
        dilation=(dilation,), padding=((before, after),),
    )  # fmt: skip
    (layer,) = yaml.safe_load(zigzag_workload(workload(nest)))
    touched = {o * stride + k * dilation - before for o in range(out) for k in range(kernel)}
    hull = range(min(touched), max(touched) + 1)
    stored = [position for position in hull if 0 <= position < size]
    assert layer["pr_loop_sizes"][0] == max(1, len(stored))
    assert layer["pr_loop_sizes"][0] + sum(layer["padding"][0]) == len(hull)
    if stored:
        assert layer["padding"][0][0] == stored[0] - hull[0]


def test_zigzag_accelerator():
    found = yaml.safe_load(zigzag_accelerator(PE))
    memories = found["memories"]
    assert list(memories) == ["rf_I", "rf_W", "rf_O", "glb", "dram"]  # the innermost first
    assert memories["rf_W"]["size"] == 448 * 8
    assert memories["rf_W"]["served_dimensions"] == []
    assert memories["glb"]["served_dimensions"] == ["D1", "D2"]
    assert memories["glb"]["force_double_buffering"]
    for name, pj in (("rf_I", 1), ("glb", 6), ("dram", 200)):
        wide = memories[name]["ports"][0]["bandwidth_max"]
        assert memories[name]["r_cost"] == pj * wide / 16
    assert memories["dram"]["ports"][0]["bandwidth_max"] == 64
    array = found["operational_array"]
    assert array["sizes"] == [4, 3]
    assert array["unit_energy"] == 0.5
    assert array["systolic_dimensions"] == ["D1"]
    (default,) = yaml.safe_load(zigzag_mapping(PE))
    assert default["spatial_mapping_hint"]["D1"] == ["K"]


def test_timeloop_problem():
    text = timeloop_problem(CONV, densities={"I": 0.5})
    found = yaml.safe_load(text)["problem"]
    instance = found["instance"]
    assert prod(instance[dim] for dim in found["shape"]["dimensions"]) == CONV.macs
    assert (instance["Hstride"], instance["Hdilation"], instance["Wstride"]) == (2, 2, 1)
    assert instance["densities"]["Inputs"]["density"] == 0.5
    spaces = {space["name"]: space for space in found["shape"]["data_spaces"]}
    assert [["R", "Hdilation"], ["P", "Hstride"]] in spaces["Inputs"]["projection"]
    assert spaces["Outputs"]["read_write"] is True
    assert text.startswith("# Timeloop has no padding")


def test_timeloop_architecture():
    found = yaml.load(timeloop_architecture(PE), Loader)
    nodes = found["architecture"]["nodes"]
    assert [tag for tag, _ in nodes] == [
        "Component", "Component", "Container", "Container", "Parallel", "Component"
    ]  # fmt: skip
    glb = nodes[1][1]
    assert glb["attributes"]["depth"] * glb["attributes"]["width"] == 1024 * 8
    assert glb["attributes"]["multiple_buffering"] == 2
    assert glb["constraints"]["dataspace"]["bypass"] == ["Weights"]
    x, y = nodes[2][1], nodes[3][1]
    assert (x["spatial"], y["spatial"]) == ({"meshX": 4}, {"meshY": 3})
    assert x["constraints"]["spatial"]["no_reuse"] == ["Outputs"]
    assert y["constraints"]["spatial"]["no_reuse"] == ["Inputs"]
    assert "M=1" not in x["constraints"]["spatial"]["factors"]
    tables = {table["name"]: table["actions"] for table in found["ERT"]["tables"]}
    energies = {a["name"]: a["energy"] for a in tables["system_top_level.glb[1..1]"]}
    assert energies == {"read": 6.0, "write": 7.0, "update": 7.0, "leak": 0.0}
    assert "system_top_level.rf_W[1..12]" in tables
    assert tables["system_top_level.mac[1..12]"][0]["energy"] == 0.5


def test_refused_where_it_would_be_another_device():
    priced = Memory("glb", capacity_bytes=1024, read_pj={"I": 1, "W": 2, "O": 3})
    shared = Accelerator("two", (Memory("dram"), priced), 1.0)
    for export in (timeloop_architecture, zigzag_accelerator):
        with pytest.raises(InputError, match="different energies"):
            export(shared)
    mixed = Accelerator("three", (Memory("dram"),), 1.0, bits={"I": 8, "W": 8, "O": 32})
    with pytest.raises(InputError, match="8 and 32 bits"):
        timeloop_architecture(mixed)
    with pytest.raises(InputError, match="multiplies"):
        zigzag_workload(workload())


def _accelerators():
    found = [name for name in list_devices() if name != "cpu"]
    return [name for name in found if isinstance(device(name), Accelerator)]


@pytest.mark.parametrize("name", _accelerators())
def test_presets(name):
    found = device(name)
    assert yaml.load(timeloop_architecture(found), Loader)
    sizes = yaml.safe_load(zigzag_accelerator(found))["operational_array"]["sizes"]
    assert prod(sizes) == found.pes


def test_zigzag_axes():
    """Those that not every loop may use are among the four that ZigZag has hints for."""
    axes = tuple(Axis(f"a{i}", i + 2, dims=("M",) if i == 4 else None) for i in range(5))
    found = Accelerator("five", (Memory("dram"), Array("grid", axes)), 1.0)
    array = yaml.safe_load(zigzag_accelerator(found))["operational_array"]
    sizes = dict(zip(array["dimensions"], array["sizes"], strict=True))
    assert sizes == {"D1": 6, "D2": 2, "D3": 3, "D4": 4, "D5": 5}
    (default,) = yaml.safe_load(zigzag_mapping(found))
    assert default["spatial_mapping_hint"]["D1"] == ["K"]
    assert set(default["spatial_mapping_hint"]) == {"D1", "D2", "D3", "D4"}
    bound = tuple(Axis(f"a{i}", 2, dims=("M",)) for i in range(5))
    with pytest.raises(InputError, match="5 axes, 5 of them"):
        zigzag_accelerator(Accelerator("bound", (Memory("dram"), Array("grid", bound)), 1.0))


def test_zigzag_leaves_out_a_queue():
    """ZigZag fills the innermost memories first and wants room above for all of it."""
    text = zigzag_accelerator(device("eyeriss"))
    assert list(yaml.safe_load(text)["memories"]) == ["spad_I", "spad_W", "spad_O", "glb", "dram"]
    assert "filter_buffer is left out" in text


@pytest.mark.skipif(sys.version_info < (3, 11), reason="zigzag-dse needs Python 3.11")
def test_zigzag_accepts_them():
    accelerators = pytest.importorskip("zigzag.parser.accelerator_validator")
    workloads = pytest.importorskip("zigzag.parser.workload_validator")
    mappings = pytest.importorskip("zigzag.parser.mapping_validator")
    assert accelerators.AcceleratorValidator(yaml.safe_load(zigzag_accelerator(PE))).validate()
    assert workloads.WorkloadValidator(yaml.safe_load(zigzag_workload(workload(CONV)))).validate()
    assert mappings.MappingValidator(yaml.safe_load(zigzag_mapping(PE))).validate()
