"""The recorder: what PyTorch's dispatcher sees is written down, with storage, parameters and reads."""

from __future__ import annotations

import pytest
import torch

from steelyard.capture.engines.composites import Composites
from steelyard.capture.engines.recorder import Recorder
from steelyard.capture.engines.trace import Trace
from steelyard.capture.rules import default_rules


class Bench:
    """A recorder with an input x (2, 6) and a parameter w (4, 6)."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.recorder = Recorder(self.trace, default_rules())
        self.x, self.w = torch.ones(2, 6), torch.ones(4, 6)
        self.recorder.bind(self.x, self.trace.value((2, 6), "float32", "input", "x"))
        self.recorder.bind(self.w, self.trace.value((4, 6), "float32", "parameter", "w"))

    @property
    def events(self) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
        return [(e.op, e.inputs, e.params) for e in self.trace.events]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_parameters_and_views_of_parameters(bench: Bench) -> None:
    with torch.no_grad(), bench.recorder:
        y = bench.x @ bench.w.t()
        torch.addmm(y, bench.x, bench.w.view(6, 4))
    assert bench.events[0] == ("aten.linear", (0,), (1,))
    assert bench.events[1][0] == "aten.linear"
    assert bench.events[1][2] == (1,)
    assert len(bench.events) == 2  # views of a parameter are that parameter


def test_aliases_and_in_place(bench: Bench) -> None:
    with torch.no_grad(), bench.recorder:
        view = bench.x[:, :3]
        view.add_(1)
        bench.x * 2
    slice_, add, mul = bench.trace.events
    values = bench.trace.values
    assert (slice_.op, add.op, mul.op) == ("aten.slice", "aten.add_", "aten.mul")
    assert values[slice_.outputs[0]].alias == 0
    assert add.inplace
    assert not mul.inplace
    assert values[mul.outputs[0]].alias == -1


def test_tensors_made_by_the_network_are_constants(bench: Bench) -> None:
    other = torch.ones(6)
    with torch.no_grad(), bench.recorder:
        bench.x + other
    (event,) = bench.trace.events
    assert bench.trace.values[event.inputs[1]].role == "constant"


def test_composites_stay_whole_and_others_are_seen_inside(bench: Bench) -> None:
    functional = torch.nn.functional
    with torch.no_grad(), Composites(bench.recorder), bench.recorder:
        functional.layer_norm(bench.x, (6,))
        functional.linear(bench.x, bench.w)
        functional.multi_head_attention_forward  # noqa: B018
        torch.einsum("ij,kj->ik", bench.x, bench.w)
        functional.normalize(bench.x)
    ops = [event.op for event in bench.trace.events]
    assert ops[:3] == ["aten.layer_norm", "aten.linear", "aten.einsum"]
    assert "aten.linalg_vector_norm" in ops[3:]
    assert ops[-1] == "aten.div"


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda x: x.sum().item(), True),
        (lambda x: x.nonzero(), True),
        (lambda x: x[x > 0], True),
        (lambda x: torch.masked_select(x, x > 0), True),
        (lambda x: torch.equal(x, x), True),
        (lambda x: x.unique(), True),
        (lambda x: x.tolist(), True),
        (lambda x: x.numpy(), True),
        (lambda x: x[torch.tensor([0, 1])], False),
        (lambda x: x.masked_fill(x > 0, 0.0), False),
        (lambda x: torch.where(x > 0, x, -x), False),
        (lambda x: x.size(0), False),
    ],
    ids=["item", "nonzero", "mask", "masked_select", "equal", "unique", "tolist", "numpy", "gather",
         "masked_fill", "where", "size"],
)  # fmt: skip
def test_what_reads_values(bench: Bench, read: object, expected: bool) -> None:
    with torch.no_grad(), Composites(bench.recorder), bench.recorder:
        read(bench.x)  # type: ignore[operator]
    assert bool(bench.recorder.read) == expected
