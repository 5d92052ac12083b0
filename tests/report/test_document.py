from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import is_dataclass, replace

import pytest

from steelyard.cost import compare, cost
from steelyard.errors import UsageError
from steelyard.report.document import cost_document, document, findings_table
from steelyard.report.render import to_html_fragment, to_text
from steelyard.workload import TensorSpec


def results(load):
    report = cost(load)
    both = compare(load, load.with_batch(2))
    return {
        "report": report,
        "workload": load,
        "total": report.total,
        "row": report.rows[0],
        "memory": report.memory,
        "live": report.memory.live[0],
        "training": report.training_memory("adam"),
        "saved": report.training_memory().saved[0],
        "finding": report.findings[0],
        "findings": report.findings,
        "comparison": both,
        "change": both.changes[0],
        "coverage": report.coverage,
        "table": document(report).tables[0],
        "document": document(report),
    }


NAMES = (
    "report", "workload", "total", "row", "memory", "live", "training", "saved", "finding",
    "findings", "comparison", "change", "coverage", "table", "document",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_result_prints_in_every_form(alexnet, name):
    result = results(alexnet)[name]
    text = to_text(result, width=100)
    html = to_html_fragment(result)
    assert len(text.splitlines()) >= 3
    assert html.startswith('<div class="steelyard">')
    assert html.count("<table") == html.count("</table>") >= 1


def test_results_print_themselves(alexnet):
    report = cost(alexnet)
    assert "60,965.2" in str(report)
    assert "<td" in report._repr_html_()
    assert "724,406,816" in str(report.total)
    assert "FLOPs = 2 x MACs" in str(report.total)
    assert "conv1" in str(report.memory)


def test_every_public_result_type_of_the_cost_room_is_printable(alexnet):
    """Whatever the room exports as a dataclass has a document, so that no result prints as a wall."""
    package = importlib.import_module("steelyard.cost")
    known = {type(result) for result in results(alexnet).values()}
    for name in package.__all__:
        kind = getattr(package, name)
        if isinstance(kind, type) and is_dataclass(kind):
            assert kind in known, name


def test_training_memory_adds_up(alexnet):
    training = cost(alexnet).training_memory("adam")
    table = document(training).tables[0]
    assert sum(row[1] for row in table.rows) == table.total[1] == training.total_bytes


def test_live_tensors_add_up_to_the_peak(alexnet):
    memory = cost(alexnet).memory
    table = document(memory).tables[0]
    assert sum(row[3] for row in table.rows) == table.total[3] == memory.peak_bytes


def test_hidden_findings_are_counted(net_builder):
    net = net_builder("n", (1, 8, 8, 8)).conv("wide", 64, 1).conv("narrow", 8, 1).relu("relu")
    findings = cost(net.done()).findings
    assert {finding.guideline for finding in findings} == {"G1", "G4"}
    table = findings_table(findings, limit=1)
    assert len(table.rows) == 1
    assert table.notes == (f"{len(findings) - 1} more findings with smaller gains are not listed",)


def test_warnings_and_unknown_operators_are_said(net_builder):
    net = net_builder("n", (1, 4, 8, 8)).conv("c", 4, 1)
    net.add("magic", "unknown", "mylib.magic", net.shape)
    shown = cost_document(cost(net.done(warnings=("beware",))))
    assert shown.warnings == ("beware",)
    assert (
        "coverage: 1 of 2 operators counted (50.0%); not counted: mylib.magic (1x)" in shown.notes
    )


def test_unused_parameters_are_said(alexnet):
    aux = TensorSpec("aux.weight", (1000, 3), role="parameter")
    load = replace(alexnet, tensors=(*alexnet.tensors, aux))
    notes = cost_document(cost(load)).notes
    assert "3.00 k parameters of the network are not used in this pass and not counted" in notes


@pytest.mark.parametrize("thing", [3, "resnet50", None, object, [1, 2]])
def test_what_has_no_report_is_named(thing):
    with pytest.raises(UsageError, match=r"there is no report of a .*\nexpected: a CostReport"):
        document(thing)


def test_report_types_do_not_load_torch():
    code = (
        "import sys, steelyard.report.api, steelyard.report.charts;"
        "print(sorted({'torch', 'matplotlib', 'numpy', 'onnx'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
