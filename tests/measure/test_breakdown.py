"""Run time split by operator, on a network whose operators are counted by hand, and joins against brute force."""

import time
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import steelyard as sy
from steelyard.errors import BackendError, UsageError
from steelyard.measure import breakdown as module
from steelyard.measure.breakdown import Breakdown, from_dict
from steelyard.measure.breakdown_taking import parts_of, same
from steelyard.measure.ceilings import Ceiling
from steelyard.measure.fused import absorb, inner_bytes
from steelyard.measure.joining import Event, Run, join
from steelyard.measure.operator_kinds import KINDS
from steelyard.workload import Layer

LIMIT = Ceiling(1, 1e10, 1e10, "made up")


class OfEachKind(nn.Module):
    """One operator of each kind."""

    input_shape = (1, 8, 12, 12)

    def __init__(self, deeper: int = 0) -> None:
        super().__init__()
        self.dense = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.pointwise = nn.Conv2d(16, 16, 1, bias=False)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.more = nn.Sequential(
            *(nn.Conv2d(16, 16, 5, padding=2, groups=16, bias=False) for _ in range(deeper))
        )
        self.grouped = nn.Conv2d(16, 16, 3, padding=1, groups=4, bias=False)
        self.shuffle = nn.ChannelShuffle(4)
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout()
        self.linear = nn.Linear(16 * 6 * 6, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.dense(x))
        x = x + self.pointwise(x)
        x = self.shuffle(self.grouped(self.more(self.depthwise(x))))
        return self.linear(self.drop(self.pool(x).flatten(1)))


MACS = {
    "dense": 16 * 12 * 12 * 8 * 9,
    "pointwise": 16 * 12 * 12 * 16,
    "depthwise": 16 * 12 * 12 * 9,
    "grouped": 16 * 12 * 12 * 4 * 9,
    "linear": 10 * 16 * 6 * 6,
}
"""Multiply-accumulates by hand: M P Q (C/G) R S."""


@pytest.fixture(autouse=True)
def ceiling_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ceiling", lambda threads: LIMIT)


@pytest.fixture(scope="module")
def split() -> Breakdown:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ceiling", lambda threads: LIMIT)
        return sy.breakdown(OfEachKind().eval(), threads=1, runs=5)


def test_every_operator_has_the_kind_that_it_has_by_hand(split: Breakdown) -> None:
    kinds = {part.layer: part.kind for part in split.parts if part.layer}
    for name in MACS:
        assert kinds[name] == name
    assert (kinds["norm"], kinds["shuffle"], kinds["pool"]) == ("norm", "movement", "pool")
    assert [part.kind for part in split.parts if part.op == "aten.add"] == ["elementwise"]


def test_macs_are_those_counted_by_hand_and_those_of_the_workload(split: Breakdown) -> None:
    for row in split.by_kind():
        assert row.macs == MACS.get(row.kind, 0)
    load = sy.capture(OfEachKind(), input_shape=(1, 8, 12, 12))
    assert split.macs == load.macs == sum(MACS.values())
    assert split.absent == ()


def test_the_parts_are_the_whole(split: Breakdown) -> None:
    kinds = split.by_kind()
    assert sum(row.seconds for row in kinds) == pytest.approx(split.total_s, rel=1e-12)
    assert sum(row.share for row in kinds) == pytest.approx(1.0, rel=1e-12)
    assert sum(row.parts for row in kinds) == len(split.parts)
    assert all(part.seconds >= 0 for part in split.parts)
    assert [part.kind for part in split.parts].count("between") == 1
    assert [part.op for part in split.parts if part.kind == "outside"] == ["aten.dropout"]


def test_what_one_part_attains_is_worked_out_by_hand(split: Breakdown) -> None:
    part = next(part for part in split.parts if part.layer == "dense")
    moved = 4 * (8 * 144 + 16 * 144 + 16 * 8 * 9)  # input, output, weights
    assert part.access_bytes == moved
    assert part.bound_s == pytest.approx(max(MACS["dense"], moved) / 1e10)
    assert part.attained == pytest.approx(part.bound_s / part.seconds)
    assert part.macs_per_s == pytest.approx(MACS["dense"] / part.seconds)


def test_more_of_one_kind_shifts_the_share() -> None:
    def share(deeper: int) -> float:
        found = sy.breakdown(OfEachKind(deeper).eval(), batch=4, threads=1, runs=7)
        layers = sum(row.seconds for row in found.by_kind() if row.kind not in ("between",))
        return next(row.seconds for row in found.by_kind() if row.kind == "depthwise") / layers

    assert share(12) > share(0) + 0.1


class Sleeper(nn.Module):
    """Does nothing for a known time between two operators."""

    input_shape = (1, 4, 8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(x)
        time.sleep(0.02)
        return torch.sigmoid(x)


def test_time_that_no_operator_takes_lies_between_them() -> None:
    found = sy.breakdown(Sleeper().eval(), threads=1, runs=3)
    between = next(part for part in found.parts if part.kind == "between")
    assert between.seconds >= 0.02  # a sleep is never shorter than asked
    assert all(part.seconds < 0.02 for part in found.parts if part.kind == "elementwise")


def test_one_run_alone_sums_to_what_it_took() -> None:
    load = sy.capture(OfEachKind(), input_shape=(1, 8, 12, 12))
    events = tuple(Event(layer.op, 0.001 * (i + 1)) for i, layer in enumerate(load.layers))
    run = Run(1.0, events)
    parts, absent = parts_of(load, [run], join(events, load.layers))
    assert sum(part.seconds for part in parts) == pytest.approx(1.0)
    assert absent == ()


def test_it_survives_json_and_prints(split: Breakdown) -> None:
    data = split.to_dict()
    assert data["schema"] == "steelyard.breakdown/1"
    assert from_dict(data).parts == split.parts
    text = str(split)
    assert all(KINDS[row.kind] in text for row in split.by_kind())
    assert "Without the profiler" in text
    assert "Not in the workload: aten.dropout" in text
    assert len(split.records().rows) == len(split.parts)


def test_a_source_is_split_in_a_child_process() -> None:
    found = sy.breakdown("lenet5", threads=1, runs=3)
    assert found.network == "lenet5"
    assert found.macs == sy.capture("lenet5").macs
    assert found.absent == ()


def test_without_a_roofline_the_split_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(threads: int) -> Ceiling:
        raise BackendError("measuring the roofline took over 300 s")

    monkeypatch.setattr(module, "ceiling", fails)
    found = sy.breakdown(OfEachKind().eval(), threads=1, runs=2)
    assert found.ceiling is None
    assert found.warnings == (
        "no roofline to compare with: measuring the roofline took over 300 s",
    )
    assert all(part.attained is None for part in found.parts)
    assert "convolution, depthwise" in str(found)


@pytest.mark.parametrize(
    ("backend", "said"),
    [("compile", "compile does not say"), ("eager+cuda", r"cannot be split with \+cuda")],
)
def test_what_cannot_be_split_is_refused(backend: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        sy.breakdown("lenet5", backend=backend)


# ---- joining -----------------------------------------------------------------------------------


def layers_of(ops: list[str]) -> list[Layer]:
    return [Layer(f"layer{i}", "other", op) for i, op in enumerate(ops)]


OPS = st.lists(st.sampled_from(["conv", "norm", "relu", "add"]), max_size=12)


@settings(max_examples=200, deadline=None)
@given(OPS, st.sets(st.integers(0, 12)))
def test_events_of_a_network_with_others_between_them_find_their_layers(
    ops: list[str], others: set[int]
) -> None:
    """What the workload does not have, and no layer is called, never takes a layer away."""
    events: list[Event] = []
    expected: list[int | None] = []
    for i, op in enumerate(ops):
        if i in others:
            events.append(Event("dropout", 1.0))
            expected.append(None)
        events.append(Event(op, 1.0))
        expected.append(i)
    found = join(events, layers_of(ops))
    assert [one.event for one in found] == list(range(len(events)))
    assert [one.layers[0] if one.layers else None for one in found] == expected


@given(OPS, OPS)
def test_both_orders_are_kept_and_names_agree(ran: list[str], ops: list[str]) -> None:
    layers = layers_of(ops)
    found = join([Event(op, 1.0) for op in ran], layers)
    taken = [index for one in found for index in one.layers]
    assert taken == sorted(set(taken))
    assert all(layers[i].op == ran[one.event] for one in found for i in one.layers)


def test_an_operator_with_parts_is_divided_among_its_layers() -> None:
    event = Event("attention", 1.0, (("matmul", 0.3), ("softmax", 0.1), ("matmul", 0.4)))
    found = join([Event("a", 1.0), event], layers_of(["a", "matmul", "softmax", "matmul"]))
    assert found[1].layers == (1, 2, 3)
    assert found[1].shares == pytest.approx((0.375, 0.125, 0.5))


def test_runs_that_did_something_else_are_left_out() -> None:
    usual, other = Run(1.0, (Event("a", 1.0),)), Run(1.0, (Event("b", 1.0),))
    for place in combinations(range(4), 1):
        runs = [other if i in place else usual for i in range(4)]
        kept, said = same(runs)
        assert kept == (usual,) * 3
        assert "1 of 4 runs" in said[0]


# ---- runtimes that fuse ------------------------------------------------------------------------


class Fusible(nn.Module):
    """Two convolutions with what runtimes fuse into them, and an addition."""

    input_shape = (1, 8, 16, 16)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(8, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.second = nn.Conv2d(16, 16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.first(x)))
        return torch.relu(self.second(x) + x)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_runtime_that_fuses_is_joined_by_its_nodes(backend: str) -> None:
    pytest.importorskip(backend)
    found = sy.breakdown(Fusible().eval(), backend=backend, threads=1, runs=5)
    macs = {"dense": 16 * 256 * 8 * 9, "pointwise": 16 * 256 * 16}
    assert {row.kind: row.macs for row in found.by_kind() if row.macs} == macs
    assert sum(row.seconds for row in found.by_kind()) == pytest.approx(found.total_s)
    first = next(part for part in found.parts if part.kind == "dense" and part.macs)
    if (
        backend == "onnxruntime"
    ):  # which says in its notes that it fuses a convolution with its activation
        assert " + " in first.layer
        assert first.access_bytes == 4 * (8 * 256 + 16 * 256 + 16 * 8 * 9 + 16)
    assert not any("first" in name or "second" in name for name in found.absent)
    assert found.statistic == ("mean" if backend == "openvino" else "median")


def test_layers_without_an_operator_go_to_the_one_that_they_were_fused_into() -> None:
    """conv - norm - relu - conv - add(with relu) - relu, of which a runtime shows relu, the second conv and a view."""
    load = sy.capture(Fusible(), input_shape=(1, 8, 16, 16))
    kinds = [layer.kind for layer in load.layers]
    assert kinds == ["conv", "norm", "activation", "conv", "elementwise", "activation"]
    owner = {2: 0, 3: 1}
    absorb(load, owner)
    assert owner == {0: 0, 1: 0, 2: 0, 3: 1, 4: 1, 5: 1}
    map_bytes = 4 * 16 * 256
    assert inner_bytes(load, [0, 1, 2]) == 4 * map_bytes  # two maps, written and read
    assert inner_bytes(load, [3, 4, 5]) == 4 * map_bytes
    assert inner_bytes(load, [0]) == 0
