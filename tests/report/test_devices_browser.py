"""The charts of devices in a real browser: pointer, arrow keys, ceilings, links to mappings, screens, print."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.hardware.estimate import estimate
from steelyard.report.htmldevices import devices_page
from steelyard.report.placed import place


@pytest.fixture(scope="module")
def pages(tmp_path_factory, placed, ceilings, net_builder, chip) -> Path:
    where = tmp_path_factory.mktemp("pages")
    long = net_builder("long", (1, 4, 8, 8))
    for i in range(150):
        long.conv(f"features.blocks.{i}.a_rather_long_name.conv", 4, 1)
    load = long.done()
    many = place(load, chip, estimate(load, chip, cache=False))
    for name, several in (("one", [placed]), ("two", [placed, placed, ceilings]), ("long", [many])):
        page = devices_page(several, title=name, created="now", provenance=[])
        (where / f"{name}.html").write_text(page, encoding="utf-8")
    return where


@pytest.mark.parametrize("name", ["one", "two", "long"])
@pytest.mark.parametrize("width", [380, 1280])
def test_no_errors_and_no_screen_scrolls_sideways(browser, pages, name, width):
    browser.screen(width)
    browser.open(pages / f"{name}.html")
    assert browser.troubles() == []
    assert browser.requests() == [(pages / f"{name}.html").as_uri()]
    assert browser.run("document.documentElement.scrollWidth") <= width
    outside = browser.run(
        f"""[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, pre') &&
        e.id !== 'tip' && e.getBoundingClientRect().right > {width} + 1)
        .map(e => e.tagName + '.' + e.className)"""
    )
    assert outside == []


def test_bars_keep_their_width_where_they_are_many(browser, pages):
    browser.screen(380)
    browser.open(pages / "long.html")
    wide = "document.querySelectorAll('.panels')[1].getBoundingClientRect().width"
    assert browser.run(wide) >= 150 * 13


TIP = "document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText"


def point(browser, selector: str, across: float) -> None:
    """Moves the pointer into an element, after the scrolling there is over, which hides the tip."""
    where = f"document.querySelector({selector!r})"
    browser.run(f"{where}.scrollIntoView({{block: 'center'}})")
    browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    x, y = browser.run(
        f"(() => {{ const r = {where}.getBoundingClientRect(); "
        f"return [r.x + r.width * {across}, r.y + r.height / 2]; }})()"
    )
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)


def test_the_pointer_tells_a_bar(browser, pages, placed):
    browser.screen(1280)
    browser.open(pages / "one.html")
    point(browser, ".area", 0.6)
    lines = browser.run(TIP).split("\n")
    assert lines[:2] == ["conv2", "conv dw 3×3"]
    assert any(line.startswith("dram ") for line in lines)
    assert browser.run("document.querySelectorAll('tr.lit').length") == 2
    assert browser.run("document.querySelectorAll('.cursor:not([hidden])').length") == 1


def press(browser, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)


def test_arrow_keys_walk_over_points_and_the_ceilings_follow(browser, pages, placed):
    browser.screen(1280)
    browser.open(pages / "one.html")
    browser.run("document.querySelector('.xy .area').focus()")
    heights = "[...document.querySelectorAll('.ceilings i')].map(e => e.style.bottom).join()"
    network = browser.run(heights)
    press(browser, "ArrowRight")
    assert browser.run(TIP).split("\n")[0] == "conv1"
    press(browser, "ArrowRight")
    assert browser.run(TIP).split("\n")[0] == "conv2"
    assert browser.run("document.getElementById('said').textContent").startswith("conv2, conv dw")
    layer = browser.run(heights)
    assert layer != network
    press(browser, "End")
    assert browser.run(TIP).split("\n")[0] == "fc"
    press(browser, "Escape")
    assert browser.run(TIP) == ""
    assert browser.run("document.querySelectorAll('.ring:not([hidden])').length") == 0
    assert browser.run(heights) == network
    assert browser.troubles() == []


def test_rings_lie_on_their_points(browser, pages, placed):
    """The ring goes where the data say, the point where the picture has it: the same place."""
    browser.screen(1280)
    browser.open(pages / "one.html")
    browser.run("document.querySelector('.xy .area').focus()")
    press(browser, "Home")
    ring, area = browser.run(
        """['.xy .ring', '.xy .area'].map(s => { const r = document.querySelector(s).getBoundingClientRect();
        return [r.x + r.width / 2, r.y + r.height / 2, r.x, r.y, r.width, r.height]; })"""
    )
    drawn = browser.run("document.querySelector('.xy .dots').getAttribute('d')")
    x, y = map(float, drawn[1:].split("h0")[0].split())
    assert ring[0] == pytest.approx(area[2] + area[4] * x / 1000, abs=2)
    assert ring[1] == pytest.approx(area[3] + area[5] * y / 1000, abs=2)


def test_a_layers_name_unfolds_its_mapping(browser, pages):
    browser.screen(1280)
    browser.open(pages / "one.html")
    opened = "[...document.querySelectorAll('details')].map(d => d.open)"
    assert browser.run(opened) == [False] * 3
    browser.run(
        "[...document.querySelectorAll('.layers a')].find(a => a.textContent === 'fc').click()"
    )
    assert browser.run(opened) == [False, False, True]
    assert "o += i * w" in browser.run("document.querySelectorAll('details')[2].innerText")


def test_tables_filter_without_a_choice_of_kinds(browser, pages):
    browser.open(pages / "one.html")
    browser.run(
        """(() => { const box = document.querySelector('.layers input'); box.value = 'conv dw';
        box.dispatchEvent(new Event('input')); })()"""
    )
    status = "document.querySelector('.layers [role=status]').textContent"
    assert browser.run(status) == "1 of 4 rows shown"


def test_charts_have_titles_and_descriptions(browser, pages):
    browser.open(pages / "two.html")
    found = browser.run(
        """[...document.querySelectorAll('.area svg')].map(s =>
        [s.getAttribute('role'), s.getAttribute('aria-label'), s.querySelector('desc').textContent])"""
    )
    assert len(found) > 10
    assert all(role == "img" and label and told for role, label, told in found)
    focus = "[...document.querySelectorAll('.area')].every(a => a.tabIndex === 0 && a.ariaLabel)"
    assert browser.run(focus)


def test_in_print_all_bars_are_on_the_paper(browser, pages):
    browser.screen(800)
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.open(pages / "long.html")
    assert browser.run("document.documentElement.scrollWidth") <= 800
    wide = browser.run("document.querySelectorAll('.panels')[1].getBoundingClientRect().width")
    browser.call("Emulation.setEmulatedMedia", media="")
    assert wide <= 800
