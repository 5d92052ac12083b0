"""Modules that misbehave, and modules that are built in unusual ways."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steelyard as sy
from steelyard.capture.rules import Call, Draft, default_rules
from steelyard.errors import (
    DataDependentError,
    ModelError,
    TimeLimitError,
    UsageError,
)

IMAGE = (1, 3, 8, 8)
MACS = 4 * 3 * 9 * 36


class Doing(nn.Module):
    """A convolution and a function of (module, x)."""

    def __init__(self, act: Callable[[Doing, Tensor], Any]) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 4, 3), act

    def forward(self, x: Tensor) -> Any:
        return self.act(self, x)


def capture(act: Callable[[Doing, Tensor], Any], **given: Any) -> sy.Workload:
    shape = {} if "inputs" in given else {"input_shape": IMAGE}
    return sy.capture(Doing(act), **shape, **given)


# ---- raising -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["auto", "shapes", "meta", "values"])
def test_a_module_that_raises(method: Any) -> None:
    def act(module: Doing, x: Tensor) -> Tensor:
        raise ZeroDivisionError("nothing\nto divide by \x1b[31m")

    with pytest.raises(ModelError) as caught:
        capture(act, method=method)
    assert caught.value.given == (
        "Doing raised ZeroDivisionError: nothing; it was called with (1, 3, 8, 8)"
    )
    assert caught.value.hint == "does the network run on this input without steelyard?"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_the_innermost_layer_is_named_and_the_message_is_printable() -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("\x1b[31mred\u202e")

    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.ReLU(), Broken()))
    with pytest.raises(ModelError) as caught:
        sy.capture(model, input_shape=(2, 3))
    assert caught.value.given == (
        "layer '1.1' (Broken) raised ValueError: \ufffd[31mred\ufffd; it was called with (2, 3)"
    )


def test_an_endless_recursion() -> None:
    def act(module: Doing, x: Tensor) -> Tensor:
        return act(module, x)

    with pytest.raises(ModelError, match="Doing raised RecursionError") as caught:
        capture(act)
    assert isinstance(caught.value.__cause__, RecursionError)


def nested(depth: int) -> nn.Module:
    model: nn.Module = nn.Conv2d(3, 4, 3)
    for _ in range(depth):
        model = nn.Sequential(model)
    return model


def test_modules_as_deep_as_python_runs_them() -> None:
    load = sy.capture(nested(100), input_shape=IMAGE)
    assert load.macs == MACS
    assert load.layers[0].module.count(".") == 99


@pytest.mark.parametrize("depth", [1000, 5000])
def test_modules_nested_deeper_than_python_runs_them(depth: int) -> None:
    with pytest.raises(ModelError, match="RecursionError") as caught:
        sy.capture(nested(depth), input_shape=IMAGE)
    assert caught.value.expected == "a network that does not nest as deep as Python's stack"
    assert len(str(caught.value)) < 1000


def test_a_module_that_prints_is_the_only_one_that_prints(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def loud(module: Doing, x: Tensor) -> Tensor:
        print("loud")
        return module.conv(x)

    capture(lambda module, x: module.conv(x))
    assert capfd.readouterr() == ("", "")
    capture(loud)
    assert capfd.readouterr() == ("loud\n", "")


# ---- hanging -------------------------------------------------------------------------------------


def spin(module: Doing, x: Tensor) -> Tensor:
    while True:
        pass


def sleep(module: Doing, x: Tensor) -> Tensor:
    time.sleep(60)
    return x


def swallow(module: Doing, x: Tensor) -> Tensor:
    while True:
        try:
            while True:
                time.sleep(0.01)
        except Exception:
            continue


def swallow_anything(module: Doing, x: Tensor) -> Tensor:
    for _ in range(2):
        try:
            while True:
                time.sleep(0.01)
        except BaseException:
            continue
    while True:
        time.sleep(0.01)


@pytest.mark.parametrize("act", [spin, sleep, swallow, swallow_anything])
@pytest.mark.parametrize("method", ["auto", "meta"])
def test_a_module_that_hangs(act: Any, method: Any) -> None:
    model = Doing(act)
    call, weight, start = nn.Module.__call__, model.conv.weight, time.monotonic()
    with pytest.raises(TimeLimitError) as caught:
        sy.capture(model, input_shape=IMAGE, deadline_s=0.2, method=method)
    assert time.monotonic() - start < 5
    assert str(caught.value) == (
        "capturing the network was not done after 0.2 s\ntry: a longer --deadline, or deadline_s="
    )
    assert nn.Module.__call__ is call
    assert model.conv.weight is weight
    assert torch._C._len_torch_function_stack() == 0


@pytest.mark.parametrize("act", [spin, swallow, swallow_anything])
def test_a_module_that_hangs_in_a_thread(act: Any) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            capture(act, deadline_s=0.2)
        except BaseException as error:
            errors.append(error)

    call = nn.Module.__call__
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert [type(error) for error in errors] == [TimeLimitError]
    assert nn.Module.__call__ is call
    assert capture(lambda module, x: module.conv(x)).macs == MACS


# ---- control flow that reads values --------------------------------------------------------------


def choose(module: Doing, x: Tensor) -> Tensor:
    return module.conv(x) if x.sum() > 0 else x * 2


def test_shapes_do_not_say_which_way_it_goes() -> None:
    with pytest.raises(DataDependentError) as caught:
        capture(choose)
    assert caught.value.given == "Doing decides by the values of its tensors"
    assert caught.value.hint == "capture(model, inputs=(example_tensor,))"


def test_example_values_do() -> None:
    assert capture(choose, inputs=torch.ones(IMAGE)).macs == MACS
    assert capture(choose, inputs=-torch.ones(IMAGE)).macs == 0


@pytest.mark.parametrize(
    "act",
    [
        lambda module, x: module.conv(x) if bool((x > 0).any()) else x,
        lambda module, x: module.conv(x)[:, : int(x.sum())],
        lambda module, x: module.conv(x[x > 0].reshape(x.shape)),
        lambda module, x: module.conv(x) * len(x.nonzero()),
        lambda module, x: module.conv(x) * float(x.max().item()),
        lambda module, x: module.conv(x) if x.tolist() else x,
    ],
    ids=["bool", "int", "mask", "nonzero", "item", "tolist"],
)
def test_all_ways_to_read_a_value(act: Any) -> None:
    with pytest.raises(DataDependentError):
        capture(act)
    assert capture(act, inputs=torch.ones(IMAGE)).macs == MACS


def test_values_that_do_not_come_from_the_input_may_be_read() -> None:
    def act(module: Doing, x: Tensor) -> Tensor:
        threshold = torch.arange(3).sum().item()
        return module.conv(x) if threshold == 3 else x

    assert capture(act).macs == MACS


# ---- results -------------------------------------------------------------------------------------


@dataclass
class Result:
    map: Tensor
    count: int


@pytest.mark.parametrize(
    ("wrap", "shapes"),
    [
        (lambda y: None, []),
        (lambda y: 3, []),
        (lambda y: Result(y, 1), [(1, 4, 6, 6)]),
        (lambda y: {"a": y, "b": [y, (y * 2,)]}, [(1, 4, 6, 6), (1, 4, 6, 6)]),
        (lambda y: iter(()), []),
        (lambda y: {"map": Result(y[0], 1)}, [(4, 6, 6)]),
    ],
    ids=["nothing", "a number", "dataclass", "nested", "iterator", "dataclass in dict"],
)
@pytest.mark.parametrize("method", ["shapes", "meta", "values"])
def test_results_of_any_kind(wrap: Any, shapes: list[Any], method: Any) -> None:
    load = capture(lambda module, x: wrap(module.conv(x)), method=method)
    assert load.macs == MACS
    assert [load.tensor(name).shape for name in load.outputs] == shapes


# ---- names ---------------------------------------------------------------------------------------


def test_names_are_safe_to_print() -> None:
    model = nn.Sequential()
    model.add_module("a\x1b[31m<script>\n", nn.Conv2d(3, 4, 3))
    model.add_module("=cmd()", nn.ReLU())
    model.add_module("x" * 1000, nn.ReLU())
    load = sy.capture(model, input_shape=IMAGE)
    assert [layer.name for layer in load.layers[:2]] == ["a\ufffd[31m<script>\ufffd", "=cmd()"]
    assert len(load.layers[2].name) == 300
    for name in (*(t.name for t in load.tensors), *(x.module for x in load.layers)):
        assert name.isprintable() or "\ufffd" in name
        assert "\x1b" not in name
        assert "\n" not in name
    assert sy.Workload.from_json(load.to_json()) == load


def test_modules_whose_safe_names_collide_stay_apart() -> None:
    model = nn.Sequential()
    model.add_module("a\x01", nn.Conv2d(3, 4, 3))
    model.add_module("a\x02", nn.Conv2d(4, 4, 3))
    load = sy.capture(model, input_shape=IMAGE)
    assert len({layer.name for layer in load.layers}) == 2
    assert load.params == 4 * 28 + 4 * 37


# ---- unusual modules -----------------------------------------------------------------------------


def test_lazy_layers_are_sized_in_a_copy() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(5))
    before = torch.get_rng_state()
    load = sy.capture(model, input_shape=IMAGE)
    assert load.macs == MACS + 144 * 5
    assert isinstance(model[0], nn.LazyConv2d)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_lazy_network_that_fails() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.Linear(5, 6))
    with pytest.raises(ModelError, match="Sequential has lazy layers and failed in its first run"):
        sy.capture(model, input_shape=IMAGE)


def test_wrappers_are_looked_into() -> None:
    inner = nn.Sequential(nn.Conv2d(3, 4, 3))
    plain = sy.capture(inner, input_shape=IMAGE)
    for wrapped in (
        nn.DataParallel(inner),
        torch.compile(inner),
        torch.compile(nn.DataParallel(inner)),
    ):
        assert sy.capture(wrapped, input_shape=IMAGE).layers == plain.layers  # type: ignore[arg-type]


# ---- operators that no rule knows ----------------------------------------------------------------


@pytest.fixture(scope="module")
def operator() -> Iterator[Any]:
    """A user's operator, ``steelyard_tests::double``."""
    with torch.library._scoped_library("steelyard_tests", "FRAGMENT") as library:
        library.define("double(Tensor x) -> Tensor")
        library.impl("double", lambda x: x * 2, "CPU")
        library.impl("double", lambda x: torch.empty_like(x), "Meta")
        yield torch.ops.steelyard_tests.double


OP = "steelyard_tests.double"


@pytest.mark.parametrize("method", ["auto", "shapes", "meta", "values"])
def test_an_unknown_operator_is_listed_and_warned_about(operator: Any, method: Any) -> None:
    load = capture(lambda module, x: operator(operator(module.conv(x))), method=method)
    assert load.macs == MACS
    assert load.coverage.unknown == ((OP, 2),)
    assert load.coverage.known == 1
    assert load.warnings == (
        f"no rule knows {OP} (2x); these operators are not counted (register_rule adds one)",
    )


def double(call: Call) -> Draft:
    return Draft("elementwise", ops=call.out_elements)


@pytest.mark.parametrize("method", ["auto", "shapes", "meta", "values"])
def test_a_rule_makes_it_known(operator: Any, method: Any) -> None:
    rules = default_rules().with_rules({OP: double})
    load = capture(lambda module, x: operator(module.conv(x)), rules=rules, method=method)
    assert load.coverage.unknown == ()
    assert load.warnings == ()
    assert (load.layers[1].kind, load.layers[1].op, load.layers[1].ops) == ("elementwise", OP, 144)
    assert capture(lambda module, x: operator(x)).coverage.unknown == ((OP, 1),)


def test_a_registered_rule_holds_for_every_capture(
    operator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = default_rules()
    monkeypatch.setattr(table, "_rules", dict(table._rules))
    monkeypatch.setattr(table, "_added", table._added)
    assert sy.register_rule(OP)(double) is double
    assert capture(lambda module, x: operator(x)).coverage.unknown == ()


def test_a_rule_may_replace_one_of_ours() -> None:
    rules = default_rules().with_rules({"aten.relu": lambda call: Draft("activation", ops=7)})
    for method in ("shapes", "meta"):
        load = sy.capture(nn.ReLU(), input_shape=(2, 3), rules=rules, method=method)  # type: ignore[arg-type]
        assert load.layers[0].ops == 7


@pytest.mark.parametrize(
    "answer",
    [None, "conv", Draft("nonsense"), Draft("conv", ops=-1), Draft("conv", nests=(1,)), ("conv", (), 0)],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("method", ["auto", "shapes", "meta"])
def test_a_rule_that_answers_nonsense(operator: Any, answer: Any, method: Any) -> None:
    rules = default_rules().with_rules({OP: lambda call: answer})
    with pytest.raises(UsageError) as caught:
        capture(lambda module, x: operator(x), rules=rules, method=method)
    assert caught.value.given == f"the rule for {OP} answered {answer!a}"
    assert caught.value.expected.startswith("a Draft: its kind one of conv, linear,")


def test_a_rule_that_raises(operator: Any) -> None:
    def rule(call: Call) -> Draft:
        raise KeyError("oops")

    with pytest.raises(UsageError) as caught:
        capture(lambda module, x: operator(x), rules=default_rules().with_rules({OP: rule}))
    assert caught.value.given == f"the rule for {OP} raised KeyError: 'oops'"
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_empty_table_knows_nothing() -> None:
    from steelyard.capture.rules import RuleTable

    load = capture(lambda module, x: module.conv(x), rules=RuleTable({}))
    assert load.coverage.known == 0
    assert load.macs == 0
