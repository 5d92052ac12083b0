from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from steelyard.report.escape import printable
from steelyard.report.render import cost_document, to_rich, to_text
from steelyard.report.table import Column, Document, Table
from steelyard.report.terminal import middle_ellipsis


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
@pytest.mark.parametrize("name", ["alexnet", "deep", "hostile_net"])
def test_no_line_is_wider_than_the_terminal(width, name, request):
    text = to_text(request.getfixturevalue(name), width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= width


def test_a_wide_terminal_shows_every_column_and_a_narrow_one_says_what_is_missing(alexnet):
    wide = to_text(alexnet, width=120)
    narrow = to_text(alexnet, width=80)
    assert "columns that do not fit" not in wide
    for title in ("operator", "output", "params", "MACs", "other ops", "memory", "access"):
        assert title in wide
    assert "columns that do not fit in 80 characters: other ops, access" in narrow
    for number in ("34.9", "37,752.8", "60,965.2", "105.4", "724.4"):
        assert number in narrow
        assert number in wide


def test_numbers_are_aligned_at_their_right_edge(alexnet):
    lines = to_text(alexnet, width=120).splitlines()
    ends = {
        line.index(number) + len(number)
        for line, number in (
            (next(row for row in lines if row.startswith(start)), number)
            for start, number in (("conv1 ", "34.9"), ("fc6 ", "37,752.8"), ("total ", "60,965.2"))
        )
    }
    assert len(ends) == 1


def test_names_are_inert(hostile):
    table = Table(hostile, (Column("a", hostile), Column("n", "n", "count")), ((hostile, 1),))
    text = to_text(
        Document(hostile, lead=(hostile,), tables=(table,), warnings=(hostile,)), width=200
    )
    assert "\x1b" not in text
    assert printable(text.replace("\n", "")) == text.replace("\n", "")
    shown = printable(hostile)
    if shown.strip():
        # literally there, markup and all: in title, lead, table title, heading, cell and warning
        assert text.count(shown.strip()) >= 5


def test_markup_is_not_interpreted_on_a_colour_terminal():
    table = Table("", (Column("a", "name"),), (("[bold red]x[/bold red]",),))
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="truecolor", width=100)
    console.print(to_rich(table))
    assert "[bold red]x[/bold red]" in out.getvalue()


def test_colour_only_on_a_terminal(alexnet):
    for terminal in (True, False):
        out = io.StringIO()
        console = Console(
            file=out,
            force_terminal=terminal,
            width=100,
            color_system="truecolor" if terminal else None,
        )
        console.print(to_rich(alexnet))
        assert ("\x1b[" in out.getvalue()) is terminal
        assert "60,965.2" in out.getvalue()


def test_ascii_only_output_can_be_printed_anywhere(deep, alexnet):
    for load in (deep, alexnet):
        text = to_text(load, width=90, ascii_only=True)
        text.encode("ascii")
        assert "1x3x227x227" in text or "1x8x16x16" in text


def test_bars_grow_with_the_share(alexnet):
    lines = to_text(alexnet, width=120).splitlines()
    bars = {
        line.split()[0]: line.count("█") for line in lines if line.startswith(("conv", "total"))
    }
    assert bars["total"] == 8
    assert bars["conv2"] == 2  # 30.9 % of 8 cells
    assert bars["conv1"] == 1  # 14.6 %


def test_long_text_wraps_in_its_column_and_nothing_is_lost():
    text = "word " * 40
    table = Table("", (Column("a", "a"), Column("b", "b", wrap=True)), (("x", text.strip()),))
    shown = to_text(table, width=60)
    assert shown.count("word") == 40
    assert max(map(len, shown.splitlines())) <= 60


@pytest.mark.parametrize(("width", "expected"), [(30, "backbone.layer1.0.conv1"), (9, "back…onv1")])
def test_middle_ellipsis_keeps_both_ends(width, expected):
    assert middle_ellipsis("backbone.layer1.0.conv1", width) == expected


def test_wide_characters_are_measured_in_cells():
    assert cell_len(middle_ellipsis("卷积层" * 9, 10)) <= 10


def test_the_document_says_what_was_assumed(alexnet):
    text = " ".join(to_text(cost_document_of(alexnet), width=200).split())
    assert "1.45 GFLOPs, counting 2 per MAC" in text
    assert "assuming layers run in the captured order" in text
    assert "coverage: all 19 operators counted" in text


def cost_document_of(load):
    from steelyard.cost import cost

    return cost_document(cost(load))
