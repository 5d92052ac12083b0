"""The page against the rules of axe-core (WCAG 2.2 A and AA, best practices), light, dark and narrow."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from steelyard.cost import cost
from steelyard.report.api import Report, report
from steelyard.report.gather import Gatherer


def axe() -> str:
    """The script of axe-core: of $AXE_CORE, else where npm keeps what is installed for everybody."""
    given = os.environ.get("AXE_CORE")
    if given is None and shutil.which("npm"):
        root = subprocess.run(["npm", "root", "-g"], capture_output=True, text=True, check=False)
        given = str(Path(root.stdout.strip()) / "axe-core" / "axe.min.js")
    if given is None or not Path(given).is_file():
        pytest.skip("no axe-core: npm install -g axe-core, or AXE_CORE=/path/to/axe.min.js")
    return Path(given).read_text("utf-8")


HEADINGS = "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])"


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (380, "light")])
def test_no_rule_is_broken(browser, tmp_path, alexnet, small, placed, ceilings, width, scheme):
    script = axe()
    gather = Gatherer((), "energy", "", None, None)
    on = ((placed, ceilings),)
    whole = Report(
        (cost(small),),
        "small",
        placed=on,
        cards=gather.cards((cost(small),), on),
        against=report(small, against=report(small)).against,
    )
    whole.save(tmp_path / "one.html")
    report(alexnet, small).save(tmp_path / "two.html")
    browser.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    for name in ("one", "two"):
        browser.screen(width)
        browser.open(tmp_path / f"{name}.html")
        browser.run(script + ";0")
        found = browser.run(
            """axe.run(document).then(r => r.violations.map(v =>
                [v.id, v.help, v.nodes.length, v.nodes[0].html.slice(0, 300)]))"""
        )
        assert found == [], name
    browser.call("Emulation.setEmulatedMedia", features=[])


def test_headings_descend_one_level_at_a_time(browser, tmp_path, small, placed, ceilings):
    Report((cost(small),), "small", placed=((placed, ceilings),)).save(tmp_path / "page.html")
    browser.open(tmp_path / "page.html")
    levels = browser.run(HEADINGS)
    assert levels[0] == 1
    assert levels.count(1) == 1
    steps = [later - now for now, later in pairwise(levels)]
    assert max(steps) == 1
