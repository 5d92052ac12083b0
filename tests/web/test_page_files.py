"""The page's files: what each says of itself, that no code or style stands in HTML, that libraries have licences."""

from __future__ import annotations

import re

import pytest

from steelyard.web.page import STATIC

OWN = sorted(path for path in STATIC.rglob("*.js") if "vendor" not in path.parts)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.relative_to(STATIC).as_posix())
def test_a_script_says_what_one_finds_in_it_and_imports_what_is_there(path):
    text = path.read_text("utf-8")
    lines = text.splitlines()
    assert lines[0].startswith("// ") and lines[0].endswith(".")
    assert len(lines) < 400
    assert not re.search(r"\beval\(|new Function|innerHTML|setAttribute\(.style", text)
    for name in re.findall(r'from "([^"]+)"', text):
        assert (path.parent / name).resolve().is_file(), name


def test_the_page_holds_no_code_and_no_style():
    text = (STATIC / "index.html").read_text("utf-8")
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|https?://", text)


def test_every_library_has_its_version_and_licence():
    vendor = STATIC / "vendor"
    said = (vendor / "README.md").read_text("utf-8")
    for path in vendor.glob("*.js"):
        (row,) = (line for line in said.splitlines() if line.startswith(f"| `{path.name}`"))
        (licence,) = re.findall(r"`([\w.]+\.LICENSE\.txt)`", row)
        assert (vendor / licence).is_file()
