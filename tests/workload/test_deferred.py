"""A workload made from a record: equal to one made at once, whatever is asked of it first."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from steelyard.cost import cost
from steelyard.workload import Layer, LoopNest, TensorSpec, Workload
from steelyard.workload.workload import Operator, Sizes

LOAD = Workload(
    "net",
    (Layer("fc", "linear", "aten.linear", inputs=("x",), outputs=("fc",), params=("w",),
           nests=(LoopNest.linear(2, 3, 5),)),),
    (TensorSpec("x", (2, 3), role="input"), TensorSpec("w", (5, 3), role="parameter"),
     TensorSpec("fc", (2, 5))),
    ("x",),
    ("fc",),
    warnings=("mind this",),
)  # fmt: skip


class Counting:
    """A record that counts how often its content is asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def content(self) -> Workload:
        self.asked += 1
        return LOAD

    def sizes(self) -> Sizes:
        return LOAD.sizes()

    def operators(self) -> Iterable[Operator]:
        return LOAD.operators()


def deferred() -> tuple[Workload, Counting]:
    record = Counting()
    return Workload.deferred("net", "module", record), record


LOOKS: dict[str, Callable[[Workload], object]] = {
    "layers": lambda w: w.layers,
    "tensors": lambda w: w.tensors,
    "inputs": lambda w: w.inputs,
    "outputs": lambda w: w.outputs,
    "warnings": lambda w: w.warnings,
    "digest": lambda w: w.digest,
    "coverage": lambda w: w.coverage,
    "macs": lambda w: w.macs,
    "json": lambda w: w.to_json(),
    "batch": lambda w: w.with_batch(4).digest,
    "repr": repr,
    "hash": hash,
    "replace": lambda w: replace(w, name="other").digest,
    "groups": lambda w: w.groupby("kind"),
    "rows": lambda w: cost(w).rows,
}


@pytest.mark.parametrize("name", LOOKS)
def test_whatever_is_looked_at_first(name: str) -> None:
    look = LOOKS[name]
    load, record = deferred()
    assert look(load) == look(LOAD)
    assert load == LOAD
    assert look(load) == look(LOAD)
    assert record.asked == 1


def test_totals_do_not_need_the_layers() -> None:
    load, record = deferred()
    assert cost(load).total == cost(LOAD).total
    assert (load.name, load.source, record.asked) == ("net", "module", 0)


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda w: pickle.loads(pickle.dumps(w))]
)
def test_copies(again: Callable[[Workload], Workload]) -> None:
    load, _ = deferred()
    assert again(load) == LOAD
    assert again(load).warnings == LOAD.warnings


def test_an_attribute_that_there_is_not() -> None:
    for load in (deferred()[0], LOAD):
        with pytest.raises(AttributeError, match="weight"):
            load.weight  # type: ignore[attr-defined]  # noqa: B018


def test_many_threads_at_once() -> None:
    for _ in range(20):
        load, _ = deferred()
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _, load=load: load.layers, range(16))) == {LOAD.layers}
