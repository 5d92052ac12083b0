from __future__ import annotations

import json

import pytest

from steelyard.cost import compare, cost
from steelyard.errors import UsageError
from steelyard.report.jsontext import to_json
from steelyard.report.render import cost_table, document


def test_json_is_the_object_of_to_dict(alexnet):
    report = cost(alexnet)
    assert json.loads(to_json(report)) == report.to_dict()
    both = compare(alexnet, alexnet.with_batch(2))
    assert json.loads(to_json(both)) == json.loads(json.dumps(both.to_dict()))


def test_json_is_ascii_and_so_inert_on_a_terminal(hostile_net):
    text = to_json(cost(hostile_net))
    assert text.isascii()
    assert set(text) - {"\n"} <= {chr(c) for c in range(0x20, 0x7F)}
    assert json.loads(text)["rows"][10]["name"] == hostile_net.layers[10].name


def test_tables_are_records_in_base_units(alexnet):
    data = json.loads(to_json(cost_table(cost(alexnet))))
    assert data["schema"] == "steelyard.table/1"
    assert data["rows"][0]["layer"] == "conv1"
    assert data["rows"][0]["macs"] == 105_415_200
    assert data["total"]["params"] == 60_965_224
    assert json.loads(to_json(document(alexnet)))["tables"][0]["rows"] == data["rows"]


def test_findings_become_a_list(alexnet):
    findings = cost(alexnet).findings
    assert [entry["layer"] for entry in json.loads(to_json(findings))] == [
        f.layer for f in findings
    ]


def test_what_has_no_dict_is_named():
    with pytest.raises(UsageError, match=r"no JSON of a int\nexpected: a result of steelyard"):
        to_json(3)
