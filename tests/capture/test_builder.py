"""The builder: names are unique and safe, aliases lead to the owner of the storage."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from steelyard.capture.builder import Builder, safe_name
from steelyard.capture.rules import Draft
from steelyard.workload.check import check


@given(st.text(max_size=400))
def test_safe_names_print_as_themselves(name: str) -> None:
    clean = safe_name(name)
    assert len(clean) <= 300
    assert not {unicodedata.category(c) for c in clean} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert safe_name(clean) == clean


@given(st.lists(st.sampled_from(["a", "a#2", "b", "\x00", "\x01", "a#2#2", ""]), max_size=12))
def test_names_of_layers_and_tensors_are_unique(names: list[str]) -> None:
    builder = Builder("net", "module")
    last = builder.tensor("x", (2, 3), role="input")
    for name in names:
        (last,) = builder.layer(
            Draft("activation", ops=6), op="aten.relu", inputs=[last], outputs=[((2, 3), "float32")],
            module=name, module_type="ReLU", leaf=True,
        )  # fmt: skip
    load = builder.finish([last])
    assert len({layer.name for layer in load.layers}) == len(names)
    assert len({tensor.name for tensor in load.tensors}) == len(names) + 1
    check(load)


def test_a_second_call_is_numbered_and_a_function_named_after_its_operator() -> None:
    builder = Builder("net", "module")
    x = builder.tensor("x", (2,), role="input")
    for leaf in (True, True, False):
        builder.layer(Draft("activation"), op="aten.relu", inputs=[x], outputs=[((2,), "float32")], module="act", leaf=leaf)  # fmt: skip
    builder.layer(Draft("elementwise"), op="aten.add", inputs=[x], outputs=[((2,), "float32")])
    assert [layer.name for layer in builder.finish([]).layers] == [
        "act",
        "act#2",
        "act.relu",
        "add",
    ]


def test_an_alias_of_an_alias_points_at_the_owner() -> None:
    builder = Builder("net", "module")
    x = builder.tensor("x", (2, 3), role="input")
    (y,) = builder.layer(Draft("view"), op="aten.view", inputs=[x], outputs=[((6,), "float32")])
    (z,) = builder.layer(
        Draft("activation"), op="aten.relu_", inputs=[y], outputs=[((6,), "float32")], inplace=True
    )
    (w,) = builder.layer(
        Draft("activation"), op="aten.relu", inputs=[z], outputs=[((6,), "float32")]
    )
    assert [builder.spec(name).alias_of for name in (x, y, z, w)] == ["", x, x, ""]


def test_unknown_operators_make_a_warning() -> None:
    builder = Builder("net", "module")
    for op in ("lib.b", "lib.a", "lib.b"):
        builder.layer(Draft("unknown"), op=op, inputs=[], outputs=[])
    assert builder.finish([]).warnings == (
        "no rule knows lib.a (1x), lib.b (2x); these operators are not counted (register_rule adds one)",
    )
