"""The page in a real browser: sorting, filtering, the module map, narrow screens, no errors, no network."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.cost import cost
from steelyard.report.api import Report, report


@pytest.fixture(scope="module")
def folder(tmp_path_factory, alexnet, deep, hostile_net, small, placed, ceilings) -> Path:
    where = tmp_path_factory.mktemp("pages")
    report(alexnet).save(where / "one.html")
    report(alexnet, deep).save(where / "two.html")
    report(hostile_net, hostile_net).save(where / "hostile.html")
    placed_too = Report((cost(small),), "small", placed=((placed, ceilings),))
    placed_too.save(where / "devices.html")
    return where


NAMES = ["one", "two", "hostile", "devices"]


@pytest.mark.parametrize("name", NAMES)
def test_no_errors_no_requests_and_nothing_foreign_runs(browser, folder, name):
    browser.screen(1280)
    browser.open(folder / f"{name}.html")
    assert browser.troubles() == []
    assert browser.requests() == [(folder / f"{name}.html").as_uri()]
    assert browser.run("typeof window.pwned") == "undefined"
    assert browser.run("document.images.length + document.scripts.length") == 2


SHOWN = """[...document.querySelectorAll('.layers tbody tr')].filter(r => !r.hidden)
    .map(r => r.cells[0].textContent)"""


def heading(title: str) -> str:
    return f"""[...document.querySelectorAll('.layers thead th')]
        .find(h => h.textContent.startsWith({title!r}))"""


def test_a_click_on_a_heading_sorts(browser, folder, alexnet):
    browser.open(folder / "one.html")
    written = [layer.name for layer in alexnet.layers]
    assert browser.run(SHOWN) == written
    macs = {layer.name: layer.macs for layer in alexnet.layers}
    click, sort = (
        heading("MACs") + ".querySelector('button').click()",
        heading("MACs") + ".ariaSort",
    )
    browser.run(click)
    assert browser.run(sort) == "descending"
    assert browser.run(SHOWN) == sorted(written, key=lambda name: -macs[name])
    browser.run(click)
    assert browser.run(sort) == "ascending"
    assert browser.run(SHOWN) == sorted(written, key=lambda name: macs[name])
    browser.run(click)
    assert browser.run(sort) == "none"
    assert browser.run(SHOWN) == written
    browser.run(heading("layer") + ".querySelector('button').click()")
    assert browser.run(SHOWN) == sorted(written)


def test_headings_can_be_used_from_the_keyboard(browser, folder):
    browser.open(folder / "one.html")
    browser.run(heading("params") + ".querySelector('button').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
            windowsVirtualKeyCode=13,
        )  # fmt: skip
    assert browser.run(heading("params") + ".ariaSort") == "descending"
    assert browser.run(SHOWN)[:2] == ["fc6", "fc7"]


def test_words_and_kinds_filter_the_layers(browser, folder):
    browser.open(folder / "one.html")
    search = """(words => { const box = document.querySelector('.layers input');
        box.value = words; box.dispatchEvent(new Event('input')); })"""
    choose = """(kind => { const box = document.querySelector('.layers select');
        box.value = kind; box.dispatchEvent(new Event('change')); })"""
    status = "document.querySelector('.layers [role=status]').textContent"
    browser.run(f"{search}('3×3 g2')")
    assert browser.run(SHOWN) == ["conv4", "conv5"]
    assert browser.run(status) == "2 of 19 rows shown"
    browser.run(f"{search}('')")
    browser.run(f"{choose}('pool')")
    assert browser.run(SHOWN) == ["pool1", "pool2", "pool5"]
    browser.run(f"{choose}('macs')")
    assert len(browser.run(SHOWN)) == 8


TILES = """[...document.querySelectorAll('.treemap .tile:not(.group)')].map(t =>
    [t.dataset.layer, parseFloat(t.style.width) * parseFloat(t.style.height)])"""


def test_tiles_of_the_module_map_are_as_large_as_their_numbers(browser, folder, alexnet):
    browser.screen(1280)
    browser.open(folder / "one.html")
    for metric, value in (
        ("macs", lambda layer: layer.macs),
        ("params", lambda layer: sum(alexnet.tensor(p).numel for p in layer.params)),
    ):
        browser.run(f"document.querySelector('.modules input[value={metric}]').click()")
        areas = {alexnet.layers[int(index)].name: area for index, area in browser.run(TILES)}
        truth = {layer.name: value(layer) for layer in alexnet.layers if value(layer)}
        assert set(areas) == set(truth)
        whole = sum(areas.values())
        for name, number in truth.items():
            assert areas[name] / whole == pytest.approx(number / sum(truth.values()), rel=1e-3)


def test_modules_open_and_close(browser, folder):
    browser.open(folder / "two.html")
    second = "document.querySelectorAll('.modules')[1]"
    assert browser.run(f"{second}.querySelectorAll('.tile:not(.group)').length") == 30
    browser.run(
        f"[...{second}.querySelectorAll('.group')].find(g => g.textContent === 'stage0').click()"
    )
    assert browser.run(f"{second}.querySelector('.crumbs').textContent").startswith(
        "deep › stage0 :"
    )
    assert browser.run(f"{second}.querySelectorAll('.tile:not(.group)').length") == 15
    browser.run(f"{second}.querySelector('.crumbs button').click()")
    assert browser.run(f"{second}.querySelectorAll('.tile:not(.group)').length") == 30


def test_the_pointer_shows_the_numbers(browser, folder):
    browser.screen(1280)
    browser.open(folder / "one.html")
    x, y = browser.run(
        """(() => { const bar = document.querySelector('.chart .hit[data-layer="3"]');
        bar.scrollIntoView({block: 'center'}); const r = bar.getBoundingClientRect();
        return [r.x + r.width / 2, r.y + r.height / 2]; })()"""
    )
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    text = browser.run("document.getElementById('tip').innerText")
    assert text.split("\n") == ["conv2", "conv 5×5 g2", "746 kB memory of the outputs, 13.0%"]
    assert browser.run("document.querySelectorAll('tr.lit').length") == 1


@pytest.mark.parametrize("width", [320, 380, 768, 1280, 2560])
@pytest.mark.parametrize("name", NAMES)
def test_no_screen_scrolls_sideways(browser, folder, width, name):
    browser.screen(width)
    browser.open(folder / f"{name}.html")
    assert browser.run("document.documentElement.scrollWidth") <= width
    outside = browser.run(
        f"""[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, pre') &&
        e.id !== 'tip' && e.getBoundingClientRect().right > {width} + 1)
        .map(e => e.tagName + '.' + e.className)"""
    )
    assert outside == []


def test_dark_and_light_have_enough_contrast(browser, folder):
    """WCAG 2.1 AA: 4.5 to 1 for text, here the body's and the soft one's."""
    ratio = """(() => {
      const light = (c) => { const [r, g, b] = c.match(/[0-9.]+/g).map(Number).map((v) => {
        v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const paper = light(getComputedStyle(document.body).backgroundColor);
      return ['body', '.soft', '.note', '.tiles dd', 'caption'].map((s) => {
        const ink = light(getComputedStyle(document.querySelector(s)).color);
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05); });
    })()"""
    papers = []
    for scheme in ("light", "dark"):
        browser.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        browser.open(folder / "one.html")
        assert min(browser.run(ratio)) >= 4.5, scheme
        papers.append(browser.run("getComputedStyle(document.body).backgroundColor"))
    browser.call("Emulation.setEmulatedMedia", features=[])
    assert papers[0] == "rgb(255, 255, 255)"
    assert papers[0] != papers[1]


def test_in_print_controls_are_gone_and_tables_whole(browser, folder):
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.open(folder / "one.html")
    shown = browser.run(
        "[...document.querySelectorAll('.controls, nav')].map(e => getComputedStyle(e).display)"
    )
    assert set(shown) == {"none"}
    overflow = "getComputedStyle(document.querySelector('.layers .scroll')).overflow"
    assert browser.run(overflow) == "visible"
    browser.call("Emulation.setEmulatedMedia", media="")
