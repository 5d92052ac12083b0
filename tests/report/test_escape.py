from __future__ import annotations

import json
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from steelyard.report.escape import csv_text, html_text, markdown_text, printable, script_json

ANY_TEXT = st.text(
    st.one_of(
        st.characters(), st.sampled_from("<>&\"'`*_[](){}|\\#~!:/.=+-@\x1b\x07\n\r\t\x00\u202e")
    ),
    max_size=40,
)


class Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.odd: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        self.odd.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


@given(ANY_TEXT)
def test_printable_text_has_no_character_that_a_terminal_acts_on(text):
    clean = printable(text)
    assert len(clean) == len(text)
    assert not {unicodedata.category(c) for c in clean} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    clean.encode("utf-8")


@given(ANY_TEXT)
def test_html_text_reads_back_as_text_and_nothing_else(text):
    for template, expected_tags in (("<p>{}</p>", ["p"]), ('<p title="{}">x</p>', ["p"])):
        reader = Collector()
        reader.feed(template.format(html_text(text)))
        reader.close()
        assert [tag for tag, _ in reader.tags] == expected_tags
        assert not reader.odd
        if "title" in template:
            assert reader.tags[0][1] == [("title", printable(text))]
        else:
            assert reader.text == printable(text)


@given(ANY_TEXT)
def test_markdown_text_renders_as_the_text_in_a_table_cell(text):
    """An independent CommonMark reader finds one cell with plain text in it."""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")
    source = f"| head |\n| --- |\n| {markdown_text(text)} |\n"
    tokens = reader.parse(source)
    assert [t.type for t in tokens if t.type == "td_open"] == ["td_open"]
    cell = tokens[[t.type for t in tokens].index("td_open") + 1]
    assert {child.type for child in cell.children} <= {"text", "text_special"}
    assert "".join(child.content for child in cell.children) == printable(text).strip()


def test_markdown_makes_no_bare_link(hostile):
    text = markdown_text(hostile)
    assert "p://" not in text
    assert "www." not in text


@given(ANY_TEXT)
def test_csv_text_starts_no_formula(text):
    clean = csv_text(text)
    assert not clean.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert clean.removeprefix("'") == printable(text).removeprefix("'")


@given(ANY_TEXT)
def test_script_json_is_the_same_json_without_a_tag(text):
    inside = script_json(json.dumps({"name": text}, ensure_ascii=False))
    assert not set(inside) & set("<>&\u2028\u2029")
    assert json.loads(inside) == {"name": text}


@pytest.mark.parametrize("text", ["conv1", "layer1.0.conv1", "conv 3×3 /2 g32", "1×64×56×56"])
def test_ordinary_names_stay_as_they_are(text):
    assert printable(text) == html_text(text) == markdown_text(text) == csv_text(text) == text
