"""The rule table: how rules are found, added, and what they may answer."""

from __future__ import annotations

from typing import Any

import pytest

from steelyard.capture.rules import Call, Draft, Operand, RuleTable, default_rules, register_rule
from steelyard.errors import UsageError
from steelyard.workload import KINDS, LoopNest

X = Operand((2, 3))


def call(op: str = "mylib.op", *args: object, **kwargs: object) -> Call:
    return Call(op, args, kwargs, (X,))


def answering(kind: str) -> Any:
    return lambda _: Draft(kind)


def test_an_overload_is_tried_before_the_operator() -> None:
    table = RuleTable({"aten.max": answering("reduce"), "aten.max.other": answering("elementwise")})
    assert table.apply(call("aten.max.other")).kind == "elementwise"
    assert table.apply(call("aten.max.dim")).kind == "reduce"
    assert table.apply(call("aten.max")).kind == "reduce"
    assert table.apply(call("aten.min")).kind == "unknown"
    assert "aten.max.dim" in table
    assert "aten.min" not in table


def test_with_rules_makes_a_new_table() -> None:
    table = RuleTable({"a.b": answering("view")})
    other = table.with_rules({"a.b": answering("copy"), "a.c": answering("pool")})
    assert (table.apply(call("a.b")).kind, other.apply(call("a.b")).kind) == ("view", "copy")
    assert (list(table), list(other), len(other)) == (["a.b"], ["a.b", "a.c"], 2)
    assert [t.was_added("a.b") for t in (table, other)] == [False, True]
    assert other.was_added("a.c.overload")
    assert other.with_rules({}).was_added("a.c")


def test_an_empty_table_is_true() -> None:
    assert RuleTable({})


@pytest.mark.parametrize(
    ("op", "rule"), [("op", len), ("", len), ("lib.", len), (".op", len), (3, len), ("a.b", "rule")]
)
def test_what_cannot_be_registered(op: Any, rule: Any) -> None:
    for add in (RuleTable({}).register, lambda o, r: register_rule(o)(r)):
        with pytest.raises(UsageError) as caught:
            add(op, rule)
        assert caught.value.given == f"cannot register {rule!r} for {op!r}"
        assert caught.value.expected.startswith("a name such as 'mylib.my_op'")
    with pytest.raises(UsageError):
        RuleTable({}).with_rules({op: rule})


@pytest.mark.parametrize(
    "answer",
    [None, "view", Draft("nonsense"), Draft([]), Draft("conv", ()[:0], 1.5), Draft("conv", (3,)),
     Draft("conv", [LoopNest.linear(1, 2, 3)]), Draft("pool", ops=-1), Draft("pool", ops=True)],
    ids=repr,
)  # fmt: skip
def test_what_a_rule_may_not_answer(answer: Any) -> None:
    table = RuleTable({"mylib.op": lambda _: answer})
    with pytest.raises(UsageError) as caught:
        table.apply(call())
    assert caught.value.given.startswith("the rule for mylib.op answered ")
    assert all(kind in caught.value.expected for kind in KINDS)


def test_errors_of_a_users_rule_are_explained_and_ours_go_through() -> None:
    def rule(_: Call) -> Draft:
        raise ZeroDivisionError("no")

    with pytest.raises(ZeroDivisionError):
        RuleTable({"mylib.op": rule}).apply(call())
    with pytest.raises(UsageError, match=r"the rule for mylib\.op raised ZeroDivisionError: no"):
        RuleTable({}).with_rules({"mylib.op": rule}).apply(call())


def test_arguments_of_a_call() -> None:
    made = call("mylib.op", X, 5, size=[1, 2], other=X, text="ab")
    assert made.get(1, "n") == 5
    assert made.get(2, "size") == [1, 2]
    assert made.get(3, "missing", 7) == 7
    assert made.operand(0) is made.operand(9, "other") is X
    assert made.ints(1, "n", 2, 0) == (5, 5)
    assert made.ints(2, "size", 2, 0) == (1, 2)
    assert made.ints(3, "missing", 3, 4) == (4, 4, 4)
    assert made.out_elements == 6
    assert Call("a.b", (), {}, ()).out_elements == 0
    with pytest.raises(UsageError, match=r"operator mylib\.op: argument 1 \(n\) is not a tensor"):
        made.operand(1, "n")
    with pytest.raises(UsageError, match=r"text=.* is not a list of integers"):
        made.ints(9, "text", 2, 1)


def test_names_in_the_default_table_have_a_namespace() -> None:
    table = default_rules()
    assert len(table) > 500
    assert all("." in op and callable(table.find(op)) for op in table)
    assert not any(table.was_added(op) for op in ("aten.conv2d", "onnx.Conv"))
