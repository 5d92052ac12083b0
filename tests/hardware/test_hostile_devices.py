"""Device files with impossible, absurd or misplaced values, through every verb that reads one: an answer or an error."""

from __future__ import annotations

import copy
import io
import json
import math
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steelyard import cli
from steelyard.hardware.registry import PRESETS
from steelyard.workload import Layer, LoopNest, TensorSpec, Workload

NAMES = ("eyeriss", "eyeriss_v2", "tpu_v1", "shidiannao_like", "simba_like", "nvdla_like", "a100")
WHOLE = [yaml.safe_load((PRESETS / f"{name}.yaml").read_text("utf-8")) for name in NAMES]
VALUES: list[Any] = [
    0, -1, 1, 2, 7, 2**31, 2**63, 10**30, 10**400, 0.1, 1e-300, 1e300, -0.0, math.inf, math.nan, None, True, "",
    "64 KiB", "1e999", "1e999 GiB", "1 GHz", "3 nJ", "1e-400 nJ", "X", "é", "\x1b[31m", "x" * 300, "%s", "{0}",
    [], {}, [[]], "I", ["I"], ["W", "O"], ["I", "I"], ["M"], ["Z"], {"I": 1}, {"I": 0, "W": 1, "O": 1},
    {"I": 1e-300, "W": 1e300, "O": 1}, {"X": 1}, {"kind": "reduce"},
]  # fmt: skip
KEYS = ("x", "y", "dram", "O", "I", "size", "", 7, None, True)
CONV = LoopNest(1, 1, 6, 4, (5, 5), (3, 3), (7, 7), (1, 1), (1, 1), ((0, 0), (0, 0)))
LOAD = Workload(
    "net",
    (
        Layer("c", "conv", "aten.conv2d", inputs=("x",), outputs=("a",), params=("w",), nests=(CONV,)),
        Layer("r", "activation", "aten.relu", inputs=("a",), outputs=("b",), ops=150),
        Layer("l", "linear", "aten.linear", inputs=("b",), outputs=("y",), nests=(LoopNest.linear(1, 150, 3),)),
    ),
    (
        TensorSpec("x", (1, 4, 7, 7), role="input"),
        TensorSpec("w", (6, 4, 3, 3), role="parameter"),
        TensorSpec("a", (1, 6, 5, 5)),
        TensorSpec("b", (1, 6, 5, 5)),
        TensorSpec("y", (1, 3)),
    ),
    inputs=("x",),
    outputs=("y",),
)  # fmt: skip


def places(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a tree."""
    below = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    return [at] * bool(at) + [place for key, value in below for place in places(value, (*at, key))]  # fmt: skip


def inside(node: Any, at: tuple[Any, ...]) -> Any:
    for key in at:
        node = node[key]
    return node


def hostile(random: Random) -> str:
    """A preset with one to three values replaced, removed, renamed, moved or put in another order."""
    device = copy.deepcopy(random.choice(WHOLE))
    for _ in range(random.choice([1, 1, 2, 3])):
        known = [place for place in places(device) if place[0] != "sources"]
        if not known:
            break
        *above, key = random.choice(known)
        holder, kind = inside(device, tuple(above)), random.randrange(8)
        if kind < 4:
            holder[key] = copy.deepcopy(random.choice(VALUES))
        elif kind == 4:
            del holder[key]
        elif kind == 5:
            holder[key] = copy.deepcopy(inside(device, random.choice(known)))
        elif isinstance(holder, dict):
            items = list(holder.items())
            if kind == 6:
                items.append((random.choice(KEYS), holder.pop(key)))
            random.shuffle(items)
            holder.clear()
            holder.update(items)
    text: str = yaml.safe_dump(device, sort_keys=False, allow_unicode=True)
    return text


def code_of(*args: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command line."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.run(args)
    out.flush()
    data: bytes = out.buffer.getvalue()  # type: ignore[attr-defined]
    return code, data.decode(), err.getvalue()


def civil(code: int, said: str) -> bool:
    """Whether a command succeeded, or told of an error of its user in words."""
    return code == 0 or (code in (2, 3) and said.startswith("error: "))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "net.json").write_text(LOAD.to_json())
    return folder


def asked(folder: Path, random: Random, *verbs: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Exit code and standard error of each verb on one hostile device; what succeeds prints what can be read back."""
    mine, net, again = (str(folder / name) for name in ("mine.yaml", "net.json", "again.yaml"))
    (folder / "mine.yaml").write_text(hostile(random), encoding="utf-8")
    code, text, said = code_of("devices", mine, "--json")
    yield code, said
    if code:
        return
    json.loads(text)
    code, _, said = code_of("devices", mine)
    yield code, said
    code, text, said = code_of("devices", mine, "--yaml")
    yield code, said
    (folder / "again.yaml").write_text(text, encoding="utf-8")
    assert code_of("devices", again, "--yaml")[:2] == (0, text)
    for verb in verbs:
        code, text, said = code_of(verb[0], net, "--device", mine, *verb[1:])
        yield code, said
        if code == 0 and "--json" in verb:
            json.loads(text, parse_constant=pytest.fail)


FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FAST
@given(random=st.randoms(use_true_random=False))
def test_bounds_of_a_hostile_device(folder: Path, random: Random) -> None:
    verbs = (
        ("roofline",),
        ("roofline", "--json"),
        ("roofline", "--steps", "--json"),
        ("systolic", "--json"),
    )
    assert [answer for answer in asked(folder, random, *verbs) if not civil(*answer)] == []


@pytest.mark.slow
@settings(FAST, max_examples=300)
@given(random=st.randoms(use_true_random=False))
def test_estimates_of_a_hostile_device(folder: Path, random: Random) -> None:
    estimate = ("estimate", "--no-cache", "--budget", "0.2", "--workers", "1")
    files = str(folder / "files")
    verbs = (*estimate, "--json"), (*estimate, "--fuse"), (*estimate, "--export", files)
    assert [answer for answer in asked(folder, random, *verbs) if not civil(*answer)] == []
