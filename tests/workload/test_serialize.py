"""The workload's JSON: round trips, and every kind of bad input named with its place."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workload_strategies import Net, workloads

from steelyard.errors import FileFormatError, SteelyardError, UsageError
from steelyard.workload import Workload
from steelyard.workload.serialize import SCHEMA, from_dict, from_json, to_dict, to_json


def small() -> Workload:
    net = Net()
    net.tensor("x", (1, 2, 8, 8), "input")
    net.conv("x", 4, 3, stride=2, pad=1)
    net.relu("l0", inplace=True)
    return net.finish()


@given(workloads())
@settings(deadline=None)
def test_round_trip(load):
    assert from_json(to_json(load)) == load
    assert from_json(to_json(load).encode()) == load
    assert from_dict(to_dict(load)) == load
    assert from_dict(json.loads(to_json(load))).warnings == load.warnings


def test_the_text_is_compact_and_documented():
    data = json.loads(small().to_json())
    assert data["schema"] == "steelyard.workload/1" == SCHEMA
    assert data["tensors"][0] == {"name": "x", "shape": [1, 2, 8, 8], "role": "input"}
    assert data["layers"][1] == {
        "name": "l1", "kind": "activation", "op": "aten.relu_", "module_type": "Activation",
        "inputs": ["l0"], "outputs": ["l1"], "ops": 64, "inplace": True,
    }  # fmt: skip
    nest = data["layers"][0]["nests"][0]
    assert nest["padding"] == [[1, 1], [1, 1]] and "transposed" not in nest


def test_a_minimal_file():
    load = from_json('{"schema": "steelyard.workload/1", "name": "n", "tensors": [], "layers": []}')
    assert load == Workload("n", (), ())


def change(path: str, value: object) -> dict:
    """The small workload's dict with one place changed; ``...`` removes the key."""
    data = copy.deepcopy(to_dict(small()))
    *where, last = [int(p) if p.isdigit() else p for p in path.split("/")]
    spot = data
    for part in where:
        spot = spot[part]
    if value is ...:
        del spot[last]
    else:
        spot[last] = value
    return data


BAD = [
    ("schema", "steelyard.workload/2", "schema: 'steelyard.workload/2'"),
    ("schema", None, "schema: None"),
    ("schema", ..., "an object of 6 entries is not a workload"),
    ("name", ..., "the workload has no key 'name'"),
    ("layers", ..., "the workload has no key 'layers'"),
    ("extra", 1, "the workload has an unknown key 'extra'"),
    ("name", 3, "name: 3"),
    ("name", "a\x1b[31m", "name: 'a\\x1b[31m' has characters that do not print"),
    ("source", "a\u202eb", "source: 'a\\u202eb' has characters that do not print"),
    ("inputs", "x", "inputs: 'x'"),
    ("inputs", ["y"], "inputs: there is no tensor 'y'"),
    ("inputs", ["x", "x"], "inputs names a tensor twice"),
    ("outputs", ["nowhere"], "outputs: there is no tensor 'nowhere'"),
    ("warnings", [1], "warnings[0]: 1"),
    ("tensors", {}, "tensors: an object of 0 entries"),
    ("tensors/0", [], "tensors[0]: a list of 0 entries"),
    ("tensors/0/name", ..., "tensors[0] has no key 'name'"),
    ("tensors/0/name", "", "tensors[0].name is empty"),
    ("tensors/0/name", "n" * 1001, "tensors[0].name: 1001 characters"),
    ("tensors/0/names", "x", "tensors[0] has an unknown key 'names'"),
    ("tensors/1/name", "x", "tensors[1].name: 'x' appears twice"),
    ("tensors/0/shape", 3, "tensors[0].shape: 3"),
    ("tensors/0/shape", [1, -2], "tensors[0].shape[1]: -2"),
    ("tensors/0/shape", [1, 2.0], "tensors[0].shape[1]: 2.0"),
    ("tensors/0/shape", [True], "tensors[0].shape[0]: True"),
    ("tensors/0/shape", [2**63], "tensors[0].shape[0]: 9223372036854775808"),
    ("tensors/0/shape", [10**60], "tensors[0].shape[0]: an integer of 200 bits"),
    ("tensors/0/shape", [2**40, 2**40], "tensors[0].shape: more than 2**63 - 1 bytes"),
    ("tensors/0/shape", [2**62, 2**62, 0], "tensors[0].shape: more than 2**63 - 1 bytes"),
    ("tensors/0/shape", [1] * 65, "tensors[0].shape: a list of 65 entries"),
    ("tensors/0/dtype", "float33", "tensors[0].dtype: 'float33'"),
    ("tensors/0/role", "weight", "tensors[0].role: 'weight'"),
    ("tensors/0/alias_of", "ghost", "tensors[0].alias_of: there is no tensor 'ghost'"),
    ("tensors/0/alias_of", "x", "tensors[0].alias_of: 'x' is an alias of itself"),
    ("tensors/2/alias_of", "l1", "tensors[2].alias_of: 'l0' is an alias of itself"),
    ("layers/0/kind", "magic", "layers[0].kind: 'magic'"),
    ("layers/0/kind", ..., "layers[0] has no key 'kind'"),
    ("layers/0/hue", 1, "layers[0] has an unknown key 'hue'"),
    ("layers/0/name", "", "layers[0].name is empty"),
    ("layers/0/module", "a\nb", "layers[0].module: 'a\\nb' has characters that do not print"),
    ("layers/1/name", "l0", "layers[1].name: 'l0' appears twice"),
    ("layers/1/inputs", ["ghost"], "layers[1].inputs: there is no tensor 'ghost'"),
    ("layers/1/outputs", ["ghost"], "layers[1].outputs: there is no tensor 'ghost'"),
    ("layers/1/params", ["ghost"], "layers[1].params: there is no tensor 'ghost'"),
    ("layers/1/inputs", [0], "layers[1].inputs[0]: 0"),
    ("layers/0/inputs", ["l1"], "layers[0].inputs: 'l1' is read before it is written"),
    ("layers/0/inputs", ["l0"], "layers[0].inputs: 'l0' is read before it is written"),
    ("layers/1/outputs", ["l0"], "layers[1].outputs: 'l0' exists already"),
    ("layers/1/outputs", ["x"], "layers[1].outputs: 'x' exists already"),
    ("layers/1/ops", -1, "layers[1].ops: -1"),
    ("layers/1/inplace", 1, "layers[1].inplace: 1"),
    ("layers/0/nests", {}, "layers[0].nests: an object of 0 entries"),
    ("layers/0/nests/0", 5, "layers[0].nests[0]: 5"),
    ("layers/0/nests/0/G", ..., "layers[0].nests[0] has no key 'G'"),
    ("layers/0/nests/0/G", 3, "layers[0].nests[0]: 3 groups do not divide C=2 and M=4"),
    ("layers/0/nests/0/G", 0, "layers[0].nests[0]: 0 groups do not divide"),
    ("layers/0/nests/0/N", -1, "layers[0].nests[0].N: -1"),
    ("layers/0/nests/0/out", [4], "layers[0].nests[0]: a loop nest's spatial sizes differ in rank"),
    ("layers/0/nests/0/padding", [[1, 1], [1]], "layers[0].nests[0].padding[1]: a list of 1 entries"),
    ("layers/0/nests/0/padding", [[1, "a"], [1, 1]], "layers[0].nests[0].padding[0][1]: 'a'"),
    ("layers/0/nests/0/N", 2**62, "layers[0].nests[0]: more than 2**63 - 1 operations or elements"),
    ("layers/0/nests/0/transposed", 0, "layers[0].nests[0].transposed: 0"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "text"), BAD, ids=range(len(BAD)))
def test_bad_content_is_named_with_its_place(path, value, text):
    data = change(path, value)
    with pytest.raises(FileFormatError) as caught:
        from_dict(data)
    assert text in str(caught.value)
    with pytest.raises(FileFormatError) as caught:  # the same through the text
        from_json(json.dumps(data))
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: Expecting value at line 1, column 1"),
        ("{", "not JSON"),
        ("[]", "a list of 0 entries is not a workload"),
        ("3", "3 is not a workload"),
        ("null", "None is not a workload"),
        ("NaN", "the JSON holds NaN"),
        ('{"schema": -Infinity}', "the JSON holds -Infinity"),
        ('{"schema": 1, "schema": 1}', "the key 'schema' appears twice in one JSON object"),
        ("[" * 100_000, "the JSON is nested too deeply"),
        ('{"a":' * 100_000, "the JSON is nested too deeply"),
        ("9" * 5000, "a number that is too long"),
        (b"\xff\xfe", "the text is not UTF-8: byte 0"),
        ("\ufeff{}", "not JSON"),
    ],
)
def test_text_that_is_no_workload(text, message):
    with pytest.raises(FileFormatError) as caught:
        from_json(text)
    assert message in str(caught.value)


def test_only_text_is_read():
    with pytest.raises(UsageError, match="from_json\\(\\) was given dict"):
        from_json({})  # type: ignore[arg-type]


def test_truncated_at_every_byte():
    text = to_json(small())
    for end in range(len(text)):
        with pytest.raises(FileFormatError):
            from_json(text[:end])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(JSON)
def test_arbitrary_data_never_escapes(data):
    with pytest.raises(FileFormatError):
        from_dict(data)


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_one_value_replaced_by_anything(data):
    """A damaged file either still means a consistent workload or raises our own error."""
    content = to_dict(small())
    spots = []

    def walk(node, path):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            spots.append((node, key))
            if isinstance(value, (dict, list)):
                walk(value, (*path, key))

    walk(content, ())
    node, key = data.draw(st.sampled_from(spots))
    node[key] = data.draw(JSON)
    try:
        load = from_dict(content)
    except SteelyardError as error:
        assert isinstance(error, FileFormatError)
    else:
        assert from_json(to_json(load)) == load
