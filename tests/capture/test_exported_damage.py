"""Damaged and hostile torch.export archives: each error names the place, and nothing is left behind."""

from __future__ import annotations

import copy
import json
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from steelyard.capture import exported, exported_json
from steelyard.capture.exported import capture_exported
from steelyard.capture.exported_json import Field, parse
from steelyard.errors import DataDependentError, FileFormatError

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """The JSON of a real archive: conv, relu, add, mean, linear."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            return self.fc((x + x.relu()).mean((2, 3)))

    path = tmp_path_factory.mktemp("net") / "net.pt2"
    torch.export.save(torch.export.export(Net(), (torch.zeros(2, 3, 8, 8),)), path)
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("net/models/model.json"))


def _write(path: Path, text: str | bytes, *, deflate: bool = False) -> Path:
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("net/archive_format", "pt2")
        archive.writestr("net/models/model.json", text)
    return path


def _graph(document: Json) -> Json:
    return document["graph_module"]["graph"]


def _size(document: Json, value: Any) -> None:
    _graph(document)["tensor_values"]["x"]["sizes"][1] = value


def _swap_nodes(document: Json) -> None:
    _graph(document)["nodes"].reverse()


def _define_twice(document: Json) -> None:
    _graph(document)["nodes"].insert(1, copy.deepcopy(_graph(document)["nodes"][0]))


def _cycle(document: Json) -> None:
    nodes = _graph(document)["nodes"]
    nodes[1]["inputs"][0]["arg"]["as_tensor"]["name"] = nodes[2]["outputs"][0]["as_tensor"]["name"]


DAMAGE: dict[str, tuple[Callable[[Json], None], str]] = {
    "a negative size": (
        lambda d: _size(d, {"as_int": -3}),
        "graph_module.graph.tensor_values.x.sizes[1].as_int is -3\nexpected: an integer from 0 to",
    ),
    "a size beyond 2**63": (
        lambda d: _size(d, {"as_int": 2**64}),
        "sizes[1].as_int is 18446744073709551616\nexpected: an integer from 0 to 9223372036854775807",
    ),
    "a product beyond 2**63": (
        lambda d: _size(d, {"as_int": 2**62}),
        "tensor_values.x has shape (2, 4611686018427387904, 8, 8)\nexpected: at most 2**63 - 1",
    ),
    "a size that is text": (
        lambda d: _size(d, {"as_int": "3"}),
        "sizes[1].as_int is '3'\nexpected: an integer",
    ),
    "a size that is true": (
        lambda d: _size(d, {"as_int": True}),
        "sizes[1].as_int is True\nexpected: an integer",
    ),
    "a size of two kinds": (
        lambda d: _size(d, {"as_int": 3, "as_expr": {"expr_str": "s0"}}),
        "expected: an object with one key that tells its type",
    ),
    "an expression without example": (
        lambda d: _size(d, {"as_expr": {"expr_str": "u0", "hint": None}}),
        "sizes[1] is 'u0', a size that depends on data, and the file records no example",
    ),
    "more sizes than strides": (
        lambda d: _graph(d)["tensor_values"]["x"]["sizes"].pop(),
        "tensor_values.x has 3 sizes and 4 strides",
    ),
    "65 dimensions": (
        lambda d: _graph(d)["tensor_values"]["x"].update(
            sizes=[{"as_int": 1}] * 65, strides=[{"as_int": 1}] * 65
        ),
        "tensor_values.x has 65 dimensions\nexpected: at most 64",
    ),
    "an unknown dtype": (
        lambda d: _graph(d)["tensor_values"]["x"].update(dtype=99),
        "tensor_values.x.dtype is 99, a dtype that is not known",
    ),
    "a cycle": (
        _cycle,
        "nodes[1].inputs[0].arg.as_tensor.name reads 'add', which nothing before it",
    ),
    "nodes out of order": (_swap_nodes, "which nothing before it defines"),
    "a result defined twice": (
        _define_twice,
        "nodes[1].outputs[0].as_tensor.name defines 'conv2d' a second time",
    ),
    "a result without a size": (
        lambda d: _graph(d)["tensor_values"].pop("relu"),
        "nodes[1].outputs[0].as_tensor.name names 'relu', which tensor_values does not hold",
    ),
    "an input without a role": (
        lambda d: d["graph_module"]["signature"]["input_specs"].pop(),
        "graph_module.graph.inputs[4].as_tensor.name reads 'x', which nothing before it defines",
    ),
    "an unknown role": (
        lambda d: d["graph_module"]["signature"]["input_specs"].append({"spirit": {}}),
        "input_specs[5] is of kind 'spirit', which is not known",
    ),
    "an unknown kind of argument": (
        lambda d: _graph(d)["nodes"][0]["inputs"][0].update(arg={"as_magic": 1}),
        "nodes[0].inputs[0].arg is an argument of kind 'as_magic', which is not known",
    ),
    "no nodes": (lambda d: _graph(d).pop("nodes"), "graph_module.graph has no key 'nodes'"),
    "nodes that are text": (
        lambda d: _graph(d).update(nodes="conv"),
        "graph_module.graph.nodes is 'conv'\nexpected: a list",
    ),
    "no version": (lambda d: d.pop("schema_version"), "model.json has no schema_version"),
    "a version to come": (
        lambda d: d["schema_version"].update(major=9),
        "schema_version is 9\nexpected: 8, the major version that torch 2.13 writes\ntry: export",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_named_with_its_place(tmp_path: Path, document: Json, what: str) -> None:
    change, message = DAMAGE[what]
    damaged = copy.deepcopy(document)
    change(damaged)
    path = _write(tmp_path / "net.pt2", json.dumps(damaged))
    with pytest.raises((FileFormatError, DataDependentError)) as caught:
        capture_exported(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"'{path}', net/models/model.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.pt2"]


def test_the_undamaged_document_is_read(tmp_path: Path, document: Json) -> None:
    load = capture_exported(_write(tmp_path / "net.pt2", json.dumps(document)))
    assert load.macs == 2 * 4 * 6 * 6 * 27 + 2 * 4 * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000 + "]" * 100_000, "model.json is nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "model.json is nested too deeply"),
        ('{"a": ' + "9" * 10_000 + "}", "model.json is not JSON: Exceeds the limit"),
        ('{"a": 1', "model.json is not JSON: Expecting ',' delimiter"),
        (b'{"a": "\xff"}', "model.json is not JSON: 'utf-8' codec can't decode"),
        ("[[]" + ",[]" * 3_000_000 + "]", "has 3000002 objects and lists and 3000000 commas"),
        ("[1]", "model.json is [1]\nexpected: an object"),
        ("null", "model.json is None\nexpected: an object"),
    ],
    ids=["lists", "objects", "digits", "cut off", "encoding", "many", "a list", "null"],
)
def test_text_that_is_no_graph(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = _write(tmp_path / "net.pt2", text)
    started = time.process_time()
    with pytest.raises(FileFormatError) as caught:
        capture_exported(path)
    assert message in str(caught.value)
    assert time.process_time() - started < 5


def test_graphs_nested_too_deeply(tmp_path: Path, document: Json) -> None:
    """Each graph holds the next; every level is read by a few calls of ours."""
    graph: Json = {"inputs": [], "outputs": [], "nodes": [], "tensor_values": {}}
    for _ in range(120):
        argument = {"name": "", "arg": {"as_graph": {"name": "g", "graph": graph}}, "kind": 1}
        node = {
            "target": "torch.ops.higher_order.wrap",
            "inputs": [argument],
            "outputs": [],
            "metadata": {},
        }
        graph = {"inputs": [], "outputs": [], "nodes": [node], "tensor_values": {}}
    hostile = copy.deepcopy(document)
    hostile["graph_module"].update(graph=graph, signature={"input_specs": [], "output_specs": []})
    path = _write(tmp_path / "net.pt2", json.dumps(hostile))
    with pytest.raises(FileFormatError, match="graphs nested more than 50 deep"):
        capture_exported(path)


def test_a_zip_bomb_of_json_is_refused_before_it_expands(tmp_path: Path) -> None:
    path = _write(tmp_path / "net.pt2", " " * 50_000_000, deflate=True)
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match="zip bomb"):
            capture_exported(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_graph_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exported.MAX_JSON_BYTES == 128 * 2**20
    monkeypatch.setattr(exported, "MAX_JSON_BYTES", 1000)
    path = _write(tmp_path / "net.pt2", " " * 1001)
    with pytest.raises(FileFormatError, match="has 1001 bytes\nexpected: at most 1000 bytes"):
        capture_exported(path)


def test_names_in_the_file_cannot_write_on_a_terminal(tmp_path: Path, document: Json) -> None:
    hostile = copy.deepcopy(document)
    for node in _graph(hostile)["nodes"]:
        node["target"] = "torch.ops.my\x1b[31mlib." + node["name"]
        node["metadata"]["nn_module_stack"] = "k,evil\x1b]0;owned\x07,a.b\x1b[2J"
    specs = hostile["graph_module"]["signature"]["input_specs"]
    specs[0]["parameter"]["parameter_name"] = "w\x1b[31m"
    load = capture_exported(_write(tmp_path / "net.pt2", json.dumps(hostile)))
    names = [*(t.name for t in load.tensors), *load.warnings]
    for layer in load.layers:
        names += [layer.name, layer.op, layer.module, layer.module_type, *layer.params]
    assert not any("\x1b" in name or "\x07" in name for name in names)
    assert load.coverage.known == 0


def test_a_document_is_bounded_by_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported_json, "MAX_SEPARATORS", 3)
    assert parse(b"[1,2,3,4]", "d").value == [1, 2, 3, 4]
    with pytest.raises(FileFormatError, match="d has 1 objects and lists and 4 commas"):
        parse(b"[1,2,3,4,5]", "d")


def test_fields_name_their_place() -> None:
    root = Field({"a": [{"b": 1.5, "n": None, "big": "x" * 500}]}, "doc")
    inner = next(root.get("a").elements())
    assert inner.get("b").place == "doc: a[0].b"
    assert inner.find("n") is None and inner.find("missing") is None
    for call, message in (
        (lambda: inner.get("n"), "doc: a[0] has no key 'n'"),
        (inner.get("b").integer, "doc: a[0].b is 1.5\nexpected: an integer"),
        (inner.get("b").text, "doc: a[0].b is 1.5\nexpected: a string"),
        (inner.get("b").boolean, "doc: a[0].b is 1.5\nexpected: true or false"),
        (root.get("a").number, "expected: a number"),
        (inner.get("big").boolean, "doc: a[0].big is '" + "x" * 56 + "...\nexpected"),
    ):
        with pytest.raises(FileFormatError) as caught:
            call()
        assert message in str(caught.value)
    assert Field("Infinity", "d").number() == float("inf")
