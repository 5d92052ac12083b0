"""How long the workbench's answer takes while a knob is dragged, from the pointer's move to the figures on the page.

    python benchmarks/web_drag.py

Starts a server and a headless Chromium, drags the width of ResNet-50 (each width is new to the server: nothing is
answered from memory), then again while the whole zoo is being weighed, and prints median and 95th percentile of what
the page itself notes: from the first move that an answer serves to the frame after it was drawn.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect, sync_playwright

NETWORKS = ("mobilenet_v2", "resnet50")
MOVES, PAUSE_MS = 60, 50


@contextmanager
def server() -> Iterator[str]:
    """The address of a new server with nothing in its store."""
    line = [sys.executable, "-m", "steelyard", "serve", "--port", "0", "--no-browser", "--json"]
    with tempfile.TemporaryDirectory() as store:
        process = subprocess.Popen(
            [*line, "--store", store], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            told = "".join(process.stdout.readline() for _ in range(4))
            yield json.loads(told)["url"]
        finally:
            process.terminate()
            process.wait()


def drag(page: Page, knob: str) -> list[float]:
    """Drags a slider from its middle to the left end in three seconds; the times of the answers in ms."""
    page.evaluate("performance.clearMeasures()")
    slider = page.locator(knob)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    now, low, high = (float(slider.evaluate(f"s => s.{k}")) for k in ("value", "min", "max"))
    x = box["x"] + 8 + (box["width"] - 16) * (now - low) / (high - low)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, MOVES + 1):
        page.mouse.move(x - (x - box["x"]) * step / MOVES, y)
        page.wait_for_timeout(PAUSE_MS)
    page.mouse.up()
    expect(page.locator("dl.tiles")).to_have_attribute("aria-busy", "false")
    page.wait_for_timeout(200)
    entries = "performance.getEntriesByName('steelyard: answer').map(e => e.duration)"
    return page.evaluate(entries)


def told(what: str, times: list[float]) -> str:
    """One line of the table."""
    median = statistics.median(times)
    p95 = statistics.quantiles(times, n=20, method="inclusive")[-1]
    return f"{what:44} {len(times):7} {median:11.0f} {p95:9.0f} {max(times):9.0f}"


def main() -> None:
    """Prints the table."""
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'dragged':44} {'answers':>7} {'median (ms)':>11} {'p95 (ms)':>9} {'max (ms)':>9}")
    expect.set_options(timeout=120_000)
    with server() as url, sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        base, _, token = url.partition("/#token=")
        context = browser.new_context()
        page = context.new_page()
        for load in ("", ", while the zoo is weighed"):
            if load:
                other = context.new_page()
                other.goto(f"{base}/#/zoo")
                expect(other.get_by_text("networks are weighed")).to_be_visible()
                page.bring_to_front()  # browsers draw a page behind another once a second
            for name in NETWORKS:
                setting = ";num_classes=100" if load else ""  # so that nothing is known already
                page.goto(f"{base}/#token={token}&/network?n={name}{setting}")
                page.reload()
                expect(page.locator("dl.tiles")).to_have_attribute("aria-busy", "false")
                expect(page.get_by_role("treeitem").first).to_be_visible()
                print(told(f"width of {name}{load}", drag(page, "#net-width")), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
