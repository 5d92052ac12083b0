from __future__ import annotations

from markdown_it import MarkdownIt

from steelyard.report.escape import printable
from steelyard.report.render import to_markdown
from steelyard.report.table import Column, Document, Table


def cells(text: str) -> list[list[str]]:
    """Rows of all tables as an independent Markdown reader sees them."""
    rows: list[list[str]] = []
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for i, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            parts = tokens[i + 1].children or []
            rows[-1].append("".join(part.content for part in parts))
    return rows


def test_a_reader_finds_the_table(alexnet):
    rows = cells(to_markdown(alexnet))
    assert rows[0][:5] == ["layer", "operator", "output", "params (k)", "MACs (M)"]
    assert rows[1][:5] == ["conv1", "conv 11×11 /4", "1×96×55×55", "34.9", "105.4"]
    assert rows[-1][0] == "total"
    assert rows[-1][3:5] == ["60,965.2", "724.4"]
    assert {len(row) for row in rows} == {9}


def test_names_stay_in_their_cell(hostile):
    table = Table("", (Column("a", "a"), Column("b", "b", "count")), ((hostile, 1),))
    text = to_markdown(Document(hostile, lead=(hostile,), tables=(table,), warnings=(hostile,)))
    assert cells(text)[1] == [printable(hostile).strip(), "1"]
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inner = {child.type for token in tokens for child in token.children or []}
    assert inner <= {"text", "text_special", "strong_open", "strong_close"}
    assert "html_block" not in {token.type for token in tokens}


def test_headings_have_the_level_asked_for(alexnet):
    assert to_markdown(alexnet, level=4).startswith("#### alexnet")
