"""The presets: facts from their papers, a source for every number, and arithmetic in sources that is right."""

import math
import re
from pathlib import Path

import pytest

import steelyard as sy
from steelyard.hardware import energy_tables
from steelyard.hardware.device import Accelerator, Roofline
from steelyard.hardware.registry import PRESETS
from steelyard.hardware.yamlfile import source_of
from steelyard.hardware.yamltree import Node, read_tree
from steelyard.hardware.yamlwriter import to_yaml

FILES = sorted(PRESETS.glob("*.yaml"))
named = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def leaves(node: Node) -> list[Node]:
    if isinstance(node.value, dict):
        return [leaf for inner in node.value.values() for leaf in leaves(inner)]
    return [node]


@named
def test_it_is_named_after_its_file_and_survives_writing(path: Path) -> None:
    device = sy.device(path.stem)
    assert device.name == path.stem
    assert device.title
    assert sy.Device.from_yaml(path) == device
    again = path.parent / path.name
    assert to_yaml(sy.Device.from_yaml(again)) == to_yaml(device)


@named
def test_every_number_has_a_source(path: Path) -> None:
    tree = read_tree(path)
    sources = sy.device(path.stem).sources
    numbers = [
        leaf.path
        for leaf in leaves(tree)
        if not leaf.path.startswith("sources")
        and (not isinstance(leaf.value, str) or re.match(r"[0-9.]", leaf.value))
        and not isinstance(leaf.value, list)
    ]
    assert len(numbers) >= 3
    assert [number for number in numbers if not source_of(sources, number)] == []


@named
def test_assumed_energies_are_what_the_tables_give(path: Path) -> None:
    tree, sources = read_tree(path), sy.device(path.stem).sources
    by_path = {leaf.path: leaf.value for leaf in leaves(tree)}
    for place, text in sources.items():
        found = re.findall(r"(?:\b([IWO]) )?(sram_pj|mac_pj|dram_pj)\(([0-9, ]+)\)", text)
        for operand, function, arguments in found:
            expected = getattr(energy_tables, function)(*map(int, arguments.split(",")))
            keys = [place] if place.endswith("_pj") else [f"{place}.read_pj", f"{place}.write_pj"]
            for key in keys:
                key = f"{key}.{operand}" if operand else key
                if key in by_path:
                    assert by_path[key] == pytest.approx(expected, rel=0.006), (key, text)


def accelerator(name: str) -> Accelerator:
    device = sy.device(name)
    assert isinstance(device, Accelerator)
    return device


def peak_tops(name: str) -> float:
    device = accelerator(name)
    return 2 * device.pes * device.clock_hz / 1e12


class TestFacts:
    """Statements of the papers that no preset states in this form."""

    def test_eyeriss(self) -> None:
        chip = accelerator("eyeriss")
        assert chip.pes == 168
        assert chip.pes * chip.clock_hz == pytest.approx(33.6e9)
        # JSSC 2017: 181.5 kB of SRAM, the buffer and the filters' scratch pads (the others are registers)
        pads = 168 * chip.level("spad").capacity_bytes["W"]
        buffers = chip.level("glb").capacity_bytes + chip.level("filter_buffer").capacity_bytes
        assert (pads + buffers) / 1024 == 181.5

    def test_row_stationary_study(self) -> None:
        study = accelerator("eyeriss_isca16")
        outer, buffer, inner = study.memories
        hop = study.arrays[0].axes[0]
        costs = [inner.read_pj, hop.link("O").pj, hop.link("I").pj, buffer.read_pj, outer.read_pj]
        assert [cost / study.mac_pj for cost in costs] == [1, 2, 2, 6, 200]
        assert buffer.capacity_bytes == study.pes * inner.capacity_bytes

    def test_eyeriss_v2(self) -> None:
        # JETCAS 2019: 192 PEs, 192 kB of global buffer, peak 153.6 GOPS
        chip = accelerator("eyeriss_v2")
        assert chip.instances("spad") == 192
        assert peak_tops("eyeriss_v2") == pytest.approx(0.1536)
        glb = chip.level("glb").capacity_bytes
        # sums of 20 bits stand as one byte each
        assert chip.instances("glb") * (glb["I"] + glb["O"] * 20 / 8) == 192 * 1024

    def test_tpu_v1(self) -> None:
        # ISCA 2017, table 2: 92 TOPS, 34 GB/s of weights (fig. 1: 30 GiB/s), 28 MiB on the chip
        chip = accelerator("tpu_v1")
        assert peak_tops("tpu_v1") == pytest.approx(92, rel=0.003)
        assert chip.memories[0].read_bandwidth["W"] * chip.clock_hz == pytest.approx(
            30 * 2**30, rel=0.01
        )
        assert chip.level("unified_buffer").read_bandwidth["I"] * chip.clock_hz == pytest.approx(
            167 * 2**30, rel=0.01
        )
        sums = chip.level("accumulators").capacity_bytes
        assert sums + chip.level("unified_buffer").capacity_bytes == 28 * 2**20
        assert 4 * chip.pes == chip.level("weight_fifo").capacity_bytes
        # sec. 3: the ridge of its roofline stands at 1350 operations per byte of weights
        assert chip.pes * chip.clock_hz / 34e9 == pytest.approx(1350, rel=0.01)

    def test_the_others(self) -> None:
        assert accelerator("nvdla_like").pes == 2048
        assert accelerator("shidiannao_like").pes == 64
        assert accelerator("simba_like").pes == 1024
        assert peak_tops("simba_like") == pytest.approx(4.01, rel=0.002)
        assert peak_tops("edge_tpu_like") == pytest.approx(4, rel=0.02)
        memories = accelerator("shidiannao_like").memories[1:4]
        # ISCA 2015: 288 KB with the 32 KB of instructions
        assert sum(memory.capacity_bytes for memory in memories) == (288 - 32) * 1024

    @pytest.mark.parametrize(
        ("name", "dtype", "tflops"),
        [
            ("a100", "float32", 19.5),
            ("a100", "float16", 312),
            ("a100", "int8", 624),
            ("h100", "float32", 66.9),
            ("h100", "float16", 989.4),
            ("h100", "int8", 1978.9),
            ("jetson_nano", "float16", 0.472),
            ("jetson_agx_orin", "float32", 5.3),
        ],
    )
    def test_gpus(self, name, dtype, tflops) -> None:
        device = sy.device(name)
        assert isinstance(device, Roofline)
        assert 2 * device.peak_macs_per_s[dtype] / 1e12 == pytest.approx(tflops, rel=0.01)

    @pytest.mark.parametrize(
        ("name", "cores", "lanes", "channels", "megatransfers"),
        [("xeon_platinum_8180", 28, 32, 6, 2666.67), ("epyc_9654", 96, 16, 12, 4800)],
    )
    def test_cpus(self, name, cores, lanes, channels, megatransfers) -> None:
        device = sy.device(name)
        assert isinstance(device, Roofline)
        assert device.peak_macs_per_s["float32"] == pytest.approx(cores * lanes * device.clock_hz)
        expected = channels * 8 * megatransfers * 1e6
        assert math.isclose(device.bandwidth_bytes_per_s["dram"], expected, rel_tol=1e-3)
