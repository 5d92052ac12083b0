"""What is wrong with a device, a layer or a question is said: what was given, what is right, what to type."""

import itertools
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.errors import (
    FileFormatError,
    InputError,
    SteelyardError,
    UnknownNameError,
    UsageError,
)
from steelyard.hardware.device import Accelerator, Memory
from steelyard.hardware.estimate import estimate
from steelyard.hardware.mapper import find_mapping
from steelyard.hardware.mapspace import Constraints
from steelyard.hardware.problem import Problem, Window
from steelyard.hardware.registry import PRESETS, device
from steelyard.hardware.roofline import roofline
from steelyard.hardware.sweep import parse_sweep
from steelyard.hardware.yamlfile import parse_device
from steelyard.workload import Layer, LoopNest, TensorSpec, Workload

EYERISS = device("eyeriss")
assert isinstance(EYERISS, Accelerator)


def net(*nests: LoopNest) -> Workload:
    layers = tuple(Layer(f"l{k}", "linear", "aten.linear", nests=(n,)) for k, n in enumerate(nests))
    return Workload("net", layers, (TensorSpec("x", (1, 4), role="input"),), inputs=("x",))


def spad(**changes: object) -> Accelerator:
    levels = tuple(
        replace(level, **changes) if level.name == "spad" else level for level in EYERISS.levels
    )
    return replace(EYERISS, levels=levels)


# ---- a layer that fits no level --------------------------------------------------------------

CONV = Problem((1, 1, 4, 3, 8, 8, 3, 5), Window(1, 1, 1, 8), Window(1, 1, 2, 8))


@pytest.mark.parametrize(
    ("chip", "asked", "words"),
    [
        (spad(capacity_bytes={"I": 24, "W": 448, "O": 1}), Constraints(),
         "'spad' holds 1 byte of outputs, and the smallest tile is 2 bytes"),
        (spad(capacity_bytes=5), Constraints(),
         "'spad' holds 5 bytes, and the smallest tile is 6 bytes of inputs and weights and outputs"),
        (spad(capacity_bytes=9, double_buffered=("I", "W")), Constraints(),
         "'spad' holds 9 bytes, and the smallest tile is 10 bytes .*inputs, weights double buffered"),
        (spad(capacity_bytes={"I": 24, "W": 8, "O": 48}), Constraints(whole=(("spad", ("S",)),)),
         "'spad' holds 8 bytes of weights, and the smallest tile is 10 bytes, with S=5 wholly inside"),
    ],
)  # fmt: skip
def test_a_layer_that_fits_no_level(chip: Accelerator, asked: Constraints, words: str) -> None:
    with pytest.raises(InputError, match=f"no mapping fits 'eyeriss': {words}") as error:
        find_mapping(CONV, chip, constraints=asked)
    assert "more capacity_bytes for spad" in error.value.hint


def test_a_tile_that_just_fits_is_mapped() -> None:
    small = Problem((1, 1, 2, 2, 1, 1, 1, 1))
    for size in (6, 10):
        chip = spad(capacity_bytes=size, double_buffered=("I", "W") if size == 10 else ())
        assert find_mapping(small, chip).evaluation.macs == 4


def test_the_layer_is_named(tmp_path: Path) -> None:
    load = net(LoopNest.linear(1, 8, 8))
    with pytest.raises(InputError, match="layer 'l0': no mapping fits 'eyeriss': 'spad' holds 5"):
        estimate(load, spad(capacity_bytes=5), cache=False)


# ---- sizes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, -1])
@pytest.mark.parametrize("place", range(8))
def test_sizes_below_one(size: int, place: int) -> None:
    sizes = tuple(size if k == place else 2 for k in range(8))
    with pytest.raises(InputError, match=f"nothing to map: .*={size}.*\n.*at least 1"):
        Problem(sizes)


def test_overflow_is_refused_before_it_happens() -> None:
    with pytest.raises(
        InputError, match=r"C is 4,294,967,296: .*overflow\nexpected: at most 2,147,483,648"
    ):
        Problem((1, 1, 1, 2**32, 1, 1, 1, 1))
    with pytest.raises(
        InputError, match=r"9\.22e\+18 operations: .*\nexpected: at most 4\.61e\+18"
    ):
        Problem((2**30, 1, 2**30, 8, 1, 1, 1, 1))
    with pytest.raises(InputError, match="layer 'l1': "):
        estimate(
            net(LoopNest.linear(1, 2, 2), LoopNest.linear(2**31, 2**20, 2**20)),
            EYERISS,
            cache=False,
        )


def test_the_largest_layer_is_counted() -> None:
    """2**60 operations: all energies and counts are finite and add up."""
    problem = Problem((2**10, 1, 2**25, 2**25, 1, 1, 1, 1))
    found = find_mapping(problem, EYERISS, budget_s=1.0)
    assert found.evaluation.macs == 2**60
    by_level = sum(found.evaluation.energy_by_level().values())
    assert found.evaluation.energy_pj == pytest.approx(by_level)
    assert found.evaluation.energy_pj > 2**60 * EYERISS.mac_pj
    assert found.evaluation.dram_accesses >= 3 * 2**35


# ---- devices ---------------------------------------------------------------------------------


def test_missing_levels() -> None:
    with pytest.raises(InputError, match="no memory stands outermost\nexpected: DRAM"):
        Accelerator("none", (), 1.0)
    with pytest.raises(InputError, match="outermost memory 'small' is limited"):
        Accelerator("small", (Memory("small", capacity_bytes=4),), 1.0)
    with pytest.raises(InputError, match="outermost memory 'part' is limited"):
        Accelerator("part", (Memory("part", holds=("I", "O")),), 1.0)


@pytest.mark.parametrize("field", ["read_bandwidth", "write_bandwidth", "capacity_bytes"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_what_must_be_above_zero(field: str, value: float) -> None:
    with pytest.raises(InputError, match=f"memory 'm': {field} is .*\nexpected: a number above 0"):
        Memory("m", **{field: value})
    with pytest.raises(InputError, match=f"memory 'm': {field} is"):
        Memory("m", **{field: {"I": 1, "W": value, "O": 1}})


def test_a_width_that_a_device_does_not_have() -> None:
    load = net(LoopNest.linear(1, 4, 4))
    with pytest.raises(UsageError, match=r"has no peak for int4\nexpected: one of .*float32"):
        roofline(load, "skylake_sp_2_cores", dtype="int4")
    with pytest.raises(UsageError, match="for the accelerator eyeriss"):
        roofline(load, "eyeriss", dtype="int8")
    with pytest.raises(InputError, match=r"bits of \['I', 'W'\]\nexpected: bits of I, W and O"):
        replace(EYERISS, bits={"I": 8, "W": 8})
    with pytest.raises(InputError, match="bits of I is 0"):
        replace(EYERISS, bits={"I": 0, "W": 8, "O": 8})


def test_wide_operands_may_fit_nowhere() -> None:
    wide = replace(EYERISS, bits={"I": 16, "W": 16, "O": 1024})
    with pytest.raises(InputError, match=r"'spad' holds 48 bytes of outputs, .* is 128 bytes"):
        find_mapping(CONV, wide)


# ---- dataflows -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Constraints(temporal=(("spad", ()),), spatial=(("x", ()), ("y", ())), whole=(("spad", ("S",)),)),
         "S=5 has no place: S not at spad, S not along x, S not along y, S wholly inside spad"),
        (Constraints(temporal=tuple((m.name, ("N",)) for m in EYERISS.memories), spatial=(("x", ()), ("y", ()))),
         "M=4 has no place: M not at dram, M not at glb, M not at filter_buffer, M not at spad, M not along x"),
    ],
)  # fmt: skip
def test_contradictory_constraints_are_named(asked: Constraints, words: str) -> None:
    with pytest.raises(
        InputError, match=f"the constraints contradict each other: {words}"
    ) as error:
        find_mapping(CONV, EYERISS, constraints=asked)
    assert error.value.hint == "drop one of them"


def test_an_unknown_dataflow_of_a_sweep_is_told_before_anything_is_solved(tmp_path: Path) -> None:
    from steelyard.hardware.explore import explore

    with pytest.raises(UnknownNameError, match="no dataflow is named 'XS'"):
        explore(
            net(LoopNest.linear(1, 4, 4)),
            EYERISS,
            [parse_sweep("dataflow=RS,XS")],
            store=tmp_path / "s",
        )
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clock_hz=fast", "in the sweep of clock_hz: 'fast' is not a count"),
        ("glb_bytes=32KiB,64KiX", "in the sweep of glb.capacity_bytes: '64KiX' is not a size in bytes"),
        ("glb_bytes=..64K", "in the sweep of glb.capacity_bytes: ''"),
    ],
)  # fmt: skip
def test_values_of_a_sweep(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_sweep(text)


# ---- files -----------------------------------------------------------------------------------

NAMES = ("eyeriss", "tpu_v1", "a100")
TEXTS = [(PRESETS / f"{name}.yaml").read_text(encoding="utf-8") for name in NAMES]
WORDS = [
    "0", "-1", "1e999", ".nan", "null", "~", "true", "[]", "{}", "*a", "&a", "!!python/object:os.system", "'", '"',
    "\t", "\n", "- ", "? [a]: b", ": ", "9" * 24, "1e30", "64 KiB", "1 GHz", "%YAML 1.1\n", "---\n", "...", "\x00",
    "\u2028", "é", "|\n", "<<: *a", "{", "}", "[", "]", ",", " #", "size: 16777216", "M", "x" * 5000,
]  # fmt: skip


def mutant(seed: int) -> str:
    """One of the presets with one to five accidents: of characters, words, lines and their depth."""
    rng = random.Random(seed)
    text = TEXTS[seed % 3]
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at, lines, words = rng.randrange(len(text) + 1), text.split("\n"), text.split(" ")
        line = rng.randrange(len(lines))
        kind = rng.randrange(7)
        if kind == 0:
            text = text[:at] + rng.choice(WORDS) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + rng.randrange(30) :]
        elif kind == 2:
            text = text[:at] + chr(rng.randrange(1, 0x500)) + text[at + 1 :]
        elif kind == 3:
            words[rng.randrange(len(words))] = rng.choice(WORDS)
            text = " ".join(words)
        else:
            moved = " " * rng.randrange(6) + lines[line].lstrip()
            lines[line : line + 1] = [[], [lines[line]] * 2, [moved]][kind - 4]
            text = "\n".join(lines)
    return text


def check_mutant(seed: int) -> bool:
    text, begun = mutant(seed), time.process_time()
    try:
        found = parse_device(text, "mine.yaml")
        found.to_yaml()
    except FileFormatError as error:
        assert error.given.startswith("mine.yaml"), seed
    assert time.process_time() - begun < 1, seed
    return text not in TEXTS


def test_accidents_in_a_file() -> None:
    assert sum(check_mutant(seed) for seed in range(200)) > 190


@pytest.mark.slow
def test_many_accidents_in_a_file() -> None:
    assert sum(check_mutant(seed) for seed in range(200, 2200)) > 1900


@pytest.mark.slow
def test_what_an_accident_left_readable_can_be_used_or_is_refused() -> None:
    """Devices that are strange but possible: an answer or an error of ours, and no number that is none."""
    load = net(LoopNest.linear(1, 6, 4))
    used = 0
    for seed in itertools.count():
        if used == 100:
            break
        try:
            found = parse_device(mutant(3 * seed))
        except FileFormatError:
            continue
        if not isinstance(found, Accelerator):
            continue
        used += 1
        try:
            answer = estimate(load, found, budget_s=2.0, cache=False)
        except SteelyardError:
            continue
        assert 0 <= answer.energy_pj < float("inf"), seed
        assert answer.cycles > 0, seed
