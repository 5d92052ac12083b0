"""The page as a strict reader sees it: well-formed, self-contained, inert, with the right numbers."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from steelyard.cost import cost
from steelyard.report.api import Report, report
from steelyard.report.escape import printable

VOID = {"meta", "br", "input", "rect", "polygon"}


class Page(HTMLParser):
    """Checks that elements nest and collects them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.rows: list[list[str]] = []
        self.comments: list[str] = []
        self.text: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()
        assert not self.stack, self.stack

    def handle_starttag(self, tag, attrs):
        assert len({key for key, _ in attrs}) == len(attrs), (tag, attrs)
        values = {key: value or "" for key, value in attrs}
        self.elements.append((tag, values))
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack, tag
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "script":
            self.scripts.append(data)
            return
        self.text.append(data)
        if self.rows and "table" in self.stack:
            row = self.rows[-1]
            if row and any(tag in ("td", "th") for tag in self.stack):
                row[-1] += data

    def handle_comment(self, data):
        self.comments.append(data)

    def tags(self, name: str) -> list[dict[str, str]]:
        return [attrs for tag, attrs in self.elements if tag == name]


@pytest.fixture(scope="module")
def pages(alexnet, deep, hostile_net, net_builder, small, placed, ceilings):
    empty = net_builder("empty", (1, 4)).done()
    return {
        "one": report(alexnet).to_html(),
        "deep": report(deep).to_html(),
        "two": report(alexnet, deep).to_html(),
        "three": report(alexnet, deep, alexnet).to_html(),
        "hostile": report(hostile_net, hostile_net).to_html(),
        "empty": report(empty).to_html(),
        "devices": Report((cost(small),), "small", placed=((placed, ceilings),)).to_html(),
    }


NAMES = ("one", "deep", "two", "three", "hostile", "empty", "devices")


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_well_formed(pages, name):
    page = Page(pages[name])
    assert not page.comments
    assert len(page.ids) == len(set(page.ids))
    assert {attrs.get("lang") for attrs in page.tags("html")} == {"en"}
    targets = {attrs["href"] for attrs in page.tags("a")}
    assert targets <= {f"#{name}" for name in page.ids}
    assert all(page.rows)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_loads_nothing(pages, name):
    text = pages[name]
    page = Page(text)
    for tag, attrs in page.elements:
        assert tag not in (
            "link",
            "img",
            "iframe",
            "object",
            "embed",
            "base",
            "form",
            "video",
            "audio",
        )
        for key in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            assert attrs.get(key, "#").startswith("#"), (tag, attrs)
        assert not any(key.startswith("on") for key in attrs), (tag, attrs)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    script = page.scripts[-1]
    for word in (
        "http:",
        "https:",
        "fetch",
        "XMLHttpRequest",
        "import(",
        "WebSocket",
        "innerHTML",
        "eval",
    ):
        assert word not in script
    assert len(text.encode()) < 5_000_000


@pytest.mark.parametrize("name", NAMES)
def test_the_policy_allows_our_script_only(pages, name):
    page = Page(pages[name])
    (policy,) = [m["content"] for m in page.tags("meta") if "http-equiv" in m]
    digest = base64.b64encode(hashlib.sha256(page.scripts[-1].encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert len(page.tags("script")) == 2


def test_hostile_names_are_text(pages, hostile_net):
    page = Page(pages["hostile"])
    shown = "".join(page.text)
    for layer in hostile_net.layers:
        assert printable(layer.name).strip() in shown
    for text in hostile_net.warnings:
        assert printable(text) in shown
    data = json.loads(page.scripts[0])
    leaves, stack = [], list(data["networks"][0]["modules"]["c"])
    while stack:
        node = stack.pop()
        stack += node.get("c", [])
        leaves += [node["p"]] if "i" in node else []
    assert sorted(leaves) == sorted(layer.name for layer in hostile_net.layers)


def test_every_layer_has_its_row_with_exact_numbers(alexnet):
    page = report(alexnet).to_html()
    table = page[page.index('<div class="layers">') :]
    rows = re.findall(r"<tr data-layer=.*?</tr>", table)
    assert len(rows) == len(alexnet.layers)
    for row, layer in zip(rows, alexnet.layers, strict=True):
        values = re.findall(r'data-v="([^"]*)"', row)
        assert int(values[0]) == sum(alexnet.tensor(p).numel for p in layer.params)
        assert int(values[1]) == layer.macs
        assert f'data-kind="{layer.kind}"' in row
    assert sum(int(re.findall(r'data-v="([^"]*)"', row)[1]) for row in rows) == 724_406_816


def test_tables_are_made_for_everybody(pages):
    page = Page(pages["two"])
    tables = page.tags("table")
    assert len(tables) == len(page.tags("caption")) >= 6
    for attrs in page.tags("th"):
        assert attrs.get("scope") in ("col", "row")
    sortable = [attrs for attrs in page.tags("th") if "aria-sort" in attrs]
    assert {attrs["aria-sort"] for attrs in sortable} == {"none"}
    charts = page.tags("svg")
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in charts)
    assert len(charts) == 2 * 4 + 1  # of each network, and both among the zoo's


def test_the_page_says_in_words_what_the_network_is(pages):
    text = " ".join("".join(Page(pages["one"]).text).split())
    assert "The 5 convolutions do 92% of the MACs." in text
    assert "FLOPs are 2 × MACs" in text
    assert "1.45 GFLOPs at 2 per MAC" in text
    assert "assuming layers run in the captured order" in text
    assert "Coverage: all 19 operators counted." in text


def test_flops_are_never_printed_without_their_definition(pages):
    for name in NAMES:
        text = "".join(Page(pages[name]).text)
        for match in re.finditer("FLOPs", text):
            around = text[max(0, match.start() - 40) : match.end() + 40]
            assert re.search(r"2 per MAC|each counts as two|2 [x×] MACs", around), around


def test_several_networks_are_compared(pages, alexnet, deep):
    page = Page(pages["three"])
    assert {"comparison", "network-0", "network-1", "network-2"} <= set(page.ids)
    table = [row for row in page.rows if row and row[0] in ("alexnet", "deep") and len(row) == 10]
    assert [row[0] for row in table] == ["alexnet", "deep", "alexnet"]
    assert "deep (b) against alexnet (a)" in "".join(Page(pages["two"]).text)


def test_warnings_and_unknown_operators_are_on_the_page(net_builder):
    net = net_builder("n", (1, 4, 8, 8)).conv("c", 4, 1)
    net.add("magic", "unknown", "mylib.magic", net.shape)
    text = "".join(Page(report(net.done(warnings=("beware of it",))).to_html()).text)
    assert "Warning: beware of it" in text
    assert "Coverage: 1 of 2 operators counted (50.0%); not counted: mylib.magic (1x)." in text


def test_a_network_of_three_thousand_layers_stays_small(net_builder):
    net = net_builder("big", (1, 8, 16, 16))
    for i in range(1500):
        net.conv(f"blocks.{i // 10}.conv{i}", 8, 1).relu(f"blocks.{i // 10}.relu{i}")
    made = report(net.done())
    assert len(made.to_html().encode()) < 5_000_000
    assert len(made.costs[0].rows) == 3000


def test_provenance_names_version_date_source_and_digest(pages, alexnet):
    from steelyard import __version__

    text = "".join(Page(pages["one"]).text)
    assert f"Made by steelyard {__version__}, 20" in text
    assert f"captured from module; content SHA-256 {alexnet.digest[:16]}" in text


def test_the_notebook_fragment_is_inert_and_carries_its_own_style(hostile_net, alexnet):
    for load in (hostile_net, alexnet):
        html = cost(load)._repr_html_()
        page = Page(html)
        assert {tag for tag, _ in page.elements} <= {
            "div", "p", "strong", "table", "caption", "thead", "tbody", "tr", "th", "td",
        }  # fmt: skip
        assert {key for _, attrs in page.elements for key in attrs} <= {"class", "style", "scope"}
    assert page.rows[1][:2] == ["conv1", "conv 11×11 /4"]
