"""``steelyard explain``: an entry, the list of terms, the nearest terms."""

import json

from steelyard import glossary


def test_an_entry_is_printed(run_cli) -> None:
    done = run_cli("explain", "receptive", "field")
    assert done.code == 0
    assert done.out == f"{glossary.explain('receptive field')}\n"
    assert "(2n+1) x (2n+1)" in done.out


def test_json(run_cli) -> None:
    data = json.loads(run_cli("explain", "stride", "--json").out)
    assert data["schema"] == "steelyard.term/1"
    assert data["also"] == ["U"]


def test_without_a_term_all_are_listed(run_cli) -> None:
    terms = [entry.term for entry in glossary.entries()]
    assert run_cli("explain").out.split("\n")[:-1] == terms
    assert json.loads(run_cli("explain", "--json").out) == {
        "schema": "steelyard.terms/1",
        "terms": terms,
    }


def test_an_unknown_term_exits_with_3(run_cli) -> None:
    done = run_cli("explain", "bottelneck")
    assert (done.code, done.out) == (3, "")
    assert "no term is named 'bottelneck'" in done.err
    assert "nearest: bottleneck" in done.err
