"""The glossary: every entry can be found, and the words of the API and of the tables are in it."""

from dataclasses import fields

import pytest

from steelyard import glossary
from steelyard.cost import Cost
from steelyard.errors import UnknownNameError
from steelyard.hardware.dataflows import DATAFLOWS
from steelyard.workload import KINDS, LoopNest


def test_no_word_belongs_to_two_entries() -> None:
    names = [name for entry in glossary.entries() for name in (entry.term, *entry.also)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("entry", glossary.entries(), ids=lambda entry: entry.term)
def test_every_entry_is_found_by_all_its_names_and_says_something(entry: glossary.Entry) -> None:
    assert 30 < len(entry.text) < 900
    for name in (entry.term, *entry.also):
        assert glossary.explain(name) == entry


def test_the_quantities_of_a_cost_are_explained() -> None:
    for name in (
        *(f.name for f in fields(Cost) if f.name != "layers"),
        "flops",
        "intensity",
        "layer",
    ):
        assert glossary.explain(name).text


def test_the_dimensions_of_a_loop_nest_are_explained() -> None:
    nest_words = [
        f.name for f in fields(LoopNest) if f.name not in ("out", "kernel", "input", "transposed")
    ]
    for name in (*nest_words, *"PQRSHW"):
        assert glossary.explain(name).text


@pytest.mark.parametrize(
    "word",
    [
        *("mapping", "dataflow", "utilisation", "roofline", "fused layers", "tile", "bypass", "multicast"),
        *("gating", "skipping", "compression", "Pareto front", "EDP", "systolic array", "global buffer"),
        *("double buffering", "process node", "partial sum", "scratch pad", "DRAM", "sweep", "mapspace"),
        *("Eyexam", "PE", *DATAFLOWS),
    ],
)  # fmt: skip
def test_the_words_of_the_hardware_are_explained(word: str) -> None:
    assert glossary.explain(word.split("-")[0]).text


def test_fusion_leads_to_each_of_its_meanings() -> None:
    text = glossary.explain("fusion").text
    for word in ("fused layers", "batch-norm folding", "fused operator"):
        assert word in text and glossary.explain(word).term == word


def test_kind_lists_all_kinds() -> None:
    text = glossary.explain("kind").text
    assert [kind for kind in KINDS if kind not in text] == []


def test_case_spaces_hyphens_and_plural_do_not_matter() -> None:
    assert glossary.explain("Arithmetic-Intensity").term == "arithmetic intensity"
    assert glossary.explain("receptive fields").term == "receptive field"
    assert glossary.explain("PEAK_MEMORY").term == "peak_activation_bytes"


def test_an_unknown_term_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        glossary.explain("strid")
    assert str(caught.value).startswith(
        "no term is named 'strid'\nexpected: one of the known names; nearest: stride"
    )
    assert str(caught.value).endswith("try: steelyard explain")


def test_str_is_the_term_its_other_names_and_the_text() -> None:
    entry = glossary.Entry("x", ("y", "z"), "Text.")
    assert str(entry) == "x (also: y, z)\n\nText."
    assert str(glossary.Entry("x", (), "Text.")) == "x\n\nText."
