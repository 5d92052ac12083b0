"""Files of devices: what they mean, that writing and reading agree, and the message for each mistake."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from random_cases import devices

from steelyard.errors import FileFormatError
from steelyard.hardware.device import Accelerator, Array, Axis, Device, Link, Memory, Roofline
from steelyard.hardware.yamlfile import parse_device, read_device, source_of
from steelyard.hardware.yamlwriter import to_yaml
from steelyard.hardware.zero_means import Sparsity

SMALL = """\
schema: steelyard.device/1
kind: accelerator
name: tiny
clock_hz: 200 MHz
mac_pj: 1
levels:
  dram: {read_pj: 200, write_pj: 0.2 nJ}
  buffer: {capacity_bytes: 64 KiB, read_pj: 6, write_pj: 6, double_buffered: [I]}
  pes:
    axes:
      x: {size: 16, links: {W: {kind: multicast, pj: 2}}, dims: [M, C]}
  spad: {capacity_bytes: {I: 24, W: 448, O: 48}, read_pj: 1, write_pj: 1}
sources:
  levels.pes: a paper
"""

CEILING = """\
schema: steelyard.device/1
kind: roofline
name: cpu2
peak_macs_per_s: {float32: 1.5 TMAC/s}
bandwidth_bytes_per_s: {dram: 25.6 GB/s}
"""


def test_the_example_means_this() -> None:
    assert parse_device(SMALL) == Accelerator(
        name="tiny",
        levels=(
            Memory("dram", read_pj=200, write_pj=200),
            Memory("buffer", capacity_bytes=65536, read_pj=6, write_pj=6, double_buffered=("I",)),
            Array("pes", (Axis("x", 16, {"W": Link("multicast", 2)}, ("M", "C")),)),
            Memory("spad", capacity_bytes={"I": 24, "W": 448, "O": 48}, read_pj=1, write_pj=1),
        ),
        mac_pj=1,
        clock_hz=2e8,
        sources={"levels.pes": "a paper"},
    )
    assert parse_device(CEILING) == Roofline("cpu2", {"float32": 1.5e12}, {"dram": 25.6e9})


def test_what_a_device_makes_of_zeros_is_in_its_file() -> None:
    said = "zeros: {gate: [I], skip: [W], compress: {I: run_length, O: csc}}\n"
    device = parse_device(SMALL + said)
    assert isinstance(device, Accelerator)
    assert device.zeros == Sparsity(("I",), ("W",), {"I": "run_length", "O": "csc"})
    assert parse_device(to_yaml(device)) == device
    without = parse_device(SMALL)
    assert isinstance(without, Accelerator)
    assert without.zeros == Sparsity()
    # kept mappings do not depend on it
    assert without.digest == device.digest


@given(devices())
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back(device) -> None:
    # a file may not say double buffered of what a memory does not hold
    held = [
        replace(x, double_buffered=tuple(o for o in x.double_buffered if o in x.holds))
        if isinstance(x, Memory)
        else x
        for x in device.levels
    ]
    device = replace(device, levels=tuple(held))
    assert parse_device(to_yaml(device)) == device


def test_any_text_survives() -> None:
    device = Roofline(
        "r",
        {"int8": 1e3},
        {"dram": 0.1},
        title='no "quotes": \\ # é \x07 ',
        sources={"name": "yes"},
    )
    assert parse_device(device.to_yaml()) == device


def test_a_file_is_read(tmp_path) -> None:
    (tmp_path / "tiny.yaml").write_text(SMALL)
    found = Device.from_yaml(tmp_path / "tiny.yaml")
    assert found == read_device(str(tmp_path / "tiny.yaml")) == parse_device(SMALL)


def test_a_source_of_nothing_is_told() -> None:
    text = SMALL.replace("clock_hz:", "node_nm: null\nclock_hz:").replace(
        "  levels.pes:", "  node_nm: a page\n  levels.pes:"
    )
    with pytest.raises(
        FileFormatError, match="a source for 'node_nm', which the file does not have"
    ):
        parse_device(text)


def test_sources_reach_down() -> None:
    sources = parse_device(SMALL).sources
    assert source_of(sources, "levels.pes.axes.x.size") == "a paper"
    assert source_of(sources, "levels.spad.read_pj") == ""


MISTAKES = [
    # (what to replace, with what, what the message says)
    ("steelyard.device/1", "steelyard.device/9", ["line 1, schema: 'steelyard.device/9'", "steelyard.device/1"]),
    ("kind: accelerator", "kind: accelerater", ["line 2, kind: 'accelerater' is not known", "try: accelerator"]),
    ("name: tiny\n", "", ["no name"]),
    ("name: tiny", "name: ../x", ["line 3, name: the name '../x'", "letters, digits"]),
    ("mac_pj: 1", "mac_pj: one", ["line 5, mac_pj: 'one' is no energy", "0.2 nJ"]),
    ("mac_pj: 1", "mac_pj: -1", ["line 5, mac_pj: -1", "from 0"]),
    ("mac_pj: 1", "mac_pj: true", ["line 5, mac_pj: True is no number"]),
    ("mac_pj: 1", "mac_pj: [1]", ["line 5, mac_pj: a list is no number"]),
    ("mac_pj: 1", "mac_pj: 1e999", ["line 5, mac_pj: inf"]),
    ("mac_pj: 1", "mac_pj: .nan", ["'.nan' is no energy"]),
    ("mac_pj: 1", "mac_pj: 1.2.3 pJ", ["'1.2.3 pJ' is no energy"]),
    ("200 MHz", "200 MB", ["line 4, clock_hz: '200 MB' has no unit Hz", "such as 200 MHz"]),
    ("200 MHz", "200 QHz", ["'200 QHz' is not a number of Hz"]),
    ("200 MHz", "0", ["line 4, clock_hz: 0 Hz", "above 0"]),
    ("64 KiB", "64 KiHz", ["line 8, levels.buffer.capacity_bytes: '64 KiHz' is not a size in bytes"]),
    ("64 KiB", "0", ["line 8, levels.buffer.capacity_bytes: 0 bytes", "at least 1"]),
    ("64 KiB", "-4", ["levels.buffer.capacity_bytes: -4"]),
    ("64 KiB", "0.5", ["levels.buffer.capacity_bytes: 0.5 bytes", "whole bytes"]),
    ("capacity_bytes: 64", "capacity_byte: 64", ["line 8, levels.buffer.capacity_byte: unknown key 'capacity_byte'", "try: capacity_bytes:"]),
    ("{I: 24, W: 448, O: 48}", "{I: 24, W: 448}", ["line 12, levels.spad.capacity_bytes: no O"]),
    ("{I: 24, W: 448, O: 48}", "{I: 24, W: 448, X: 48}", ["levels.spad.capacity_bytes.X: unknown key 'X'", "one of I, W, O"]),
    ("read_pj: 6, write_pj: 6", "read_pj: 6", ["line 8, levels.buffer: no write_pj"]),
    ("double_buffered: [I]", "double_buffered: I", ["levels.buffer.double_buffered: 'I' stands here", "a list"]),
    ("double_buffered: [I]", "double_buffered: [I, I]", ["no operand, or one twice"]),
    ("double_buffered: [I]", "holds: [W], double_buffered: [I]", ["buffer does not hold I"]),
    ("double_buffered: [I]", "holds: [w]", ["levels.buffer.holds[0]: 'w' is not known", "one of I, W, O"]),
    ("double_buffered: [I]", "read_bandwidth: 0", ["levels.buffer.read_bandwidth: 0", "above 0"]),
    ("double_buffered: [I]", "read_bandwidth: {I: 1, W: 0, O: 1}", ["levels.buffer.read_bandwidth.W: 0"]),
    ("double_buffered: [I]", "word_bits: 1.5", ["levels.buffer.word_bits: 1.5", "a whole number"]),
    ("size: 16", "size: 0", ["line 11, levels.pes.axes.x.size: 0", "a whole number from 1"]),
    ("size: 16", "size: -3", ["levels.pes.axes.x.size: -3"]),
    ("size: 16", "size: 16777217", ["levels.pes.axes.x.size: 16777217"]),
    ("size: 16, ", "", ["line 11, levels.pes.axes.x: no size"]),
    ("kind: multicast", "kind: multcast", ["levels.pes.axes.x.links.W.kind: 'multcast' is not known", "try: multicast"]),
    ("W: {kind", "O: {kind", ["levels.pes.axes.x: axis 'x': O cannot be linked by multicast"]),
    ("[M, C]", "[M, K]", ["levels.pes.axes.x.dims[1]: 'K' is not known", "one of N, G, M"]),
    ("[M, C]", "[]", ["levels.pes.axes.x.dims: no dimension"]),
    ("spad: {", "x: {", ["two levels or axes are named 'x'"]),
    ("spad: {", "dram: {", ["line 12: the key 'dram' stands twice"]),
    ("levels.pes: a paper", "levels.pas: a paper", ["line 14, sources.levels.pas: a source for 'levels.pas'", "try: levels.pes:"]),
    ("levels.pes: a paper", "levels.pes: 3", ["sources.levels.pes: 3 stands here", "a text"]),
    ("  dram: {read_pj: 200, write_pj: 0.2 nJ}\n", "", ["the outermost memory 'buffer' is limited"]),
    ("dram: {", "dram: {capacity_bytes: 4 GB, ", ["the outermost memory 'dram' is limited"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "says"), MISTAKES, ids=[f"{m[0]}->{m[1]}" for m in MISTAKES]
)
def test_a_mistake_is_told(old, new, says) -> None:
    assert SMALL.count(old) >= 1
    with pytest.raises(FileFormatError) as error:
        parse_device(SMALL.replace(old, new, 1), "tiny.yaml")
    message = str(error.value)
    assert message.startswith("tiny.yaml, line ")
    for part in says:
        assert part in message, message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a text", "a mapping, key: value"),
        ("name: x", "no schema"),
        ("schema: steelyard.device/1", "no kind"),
        (SMALL.split("levels:")[0] + "levels: {}", "no levels"),
        (SMALL.split("levels:")[0] + "levels: {a: {axes: {x: {size: 2}}}}", "no memory among the levels"),
        (SMALL.split("levels:")[0] + "levels: {d: {read_pj: 1, write_pj: 1}, a: {axes: {}}}", "no axes"),
        (
            SMALL.split("levels:")[0]
            + "levels: {d: {read_pj: 1, write_pj: 1}, a: {axes: {x: {size: 9999999}, y: {size: 9999999}}}}",
            "the arrays multiply to",
        ),
        (SMALL + "bits: {I: 8, W: 8}\n", "bits: no O"),
        (SMALL + "bits: 0\n", "bits: 0"),
        (SMALL + "zeros: {gate: [O]}\n", "zeros.gate[0]: 'O' is not known"),
        (SMALL + "zeros: {compress: {I: zip}}\n", "zeros.compress.I: 'zip' is not known"),
        (SMALL + "zeros: {gates: [I]}\n", "unknown key 'gates'"),
        (SMALL + "dataflow: OSA\n", "dataflow: 'OSA' is not known"),
        (SMALL + "node_nm: 65 nm\n", "node_nm: '65 nm' is no number"),
        (CEILING.replace("1.5 TMAC/s", "1.5 TFLOPS"), "'1.5 TFLOPS' has no unit MAC/s"),
        (CEILING.replace("25.6 GB/s", "0 GB/s"), "0 B/s"),
        (CEILING.replace("25.6 GB/s", "25.6 GB"), "has no unit /s"),
        (CEILING.replace("{float32: 1.5 TMAC/s}", "{}"), "no peak_macs_per_s"),
        (CEILING + "levels: {}\n", "unknown key 'levels'"),
    ],
)  # fmt: skip
def test_a_missing_or_foreign_part_is_told(text, says) -> None:
    with pytest.raises(FileFormatError) as error:
        parse_device(text)
    assert says in str(error.value)
