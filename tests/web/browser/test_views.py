"""Comparison, zoo, jobs and runs in a real browser; links, the report, and the looks of every view.

Playwright's ``expect`` asserts, and waits until it holds.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

import steelyard

pytestmark = pytest.mark.slow


# ---- comparison ------------------------------------------------------------------------------


def column(page: Page, number: int) -> list[str]:
    cells = page.locator(f".side-by-side >> nth=0 >> tbody td:nth-child({number + 1}) .amount")
    return cells.all_inner_texts()


def test_networks_stand_side_by_side_and_the_link_shows_the_same(desk):
    page = desk.open("network?n=mobilenet_v2;width=0.5")
    expect(page.locator("dl.tiles")).to_have_attribute("aria-busy", "false")
    page.get_by_role("button", name="Compare…").click()
    field = page.get_by_label("network of the zoo")
    field.fill("vgg16")
    field.press("Enter")
    table = page.get_by_role("region", name="networks side by side").get_by_role("table")
    expect(table.get_by_role("link", name="vgg16")).to_be_visible()
    expect(table).to_have_attribute("aria-busy", "false")
    # Simonyan and Zisserman 2014: 138 M parameters; its MACs as in their follow-up's tables
    assert {"15.5 G", "138 M"} <= set(column(page, 2))
    page.wait_for_url("**n=vgg16*")
    there = desk.context.new_page()
    desk.watch(there)
    there.goto(page.url)
    expect(there.get_by_role("link", name="mobilenet_v2, width 0.5")).to_be_visible()
    expect(
        there.get_by_role("region", name="networks side by side").get_by_role("table")
    ).to_have_attribute("aria-busy", "false")
    assert column(there, 2) == column(page, 2)
    page.get_by_role("button", name="compare with vgg16").click()
    expect(table.get_by_role("link").first).to_have_text("vgg16")
    page.get_by_role("button", name="take out vgg16").click()
    expect(table.get_by_role("link")).to_have_count(1)


def test_the_report_is_saved_as_one_file(desk, tmp_path):
    page = desk.open("compare?n=lenet5&n=lenet_caffe")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save report").click()
    waiting.value.save_as(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "lenet5" in text and "lenet_caffe" in text


# ---- the zoo ---------------------------------------------------------------------------------


def made_up(number: int) -> dict[str, object]:
    top1 = 60 + (number * 37) % 29
    return {
        "name": f"net{number}", "family": "A" if number % 2 else "B", "year": 2015, "latency_s": None,
        "accuracy": {"top1": top1, "dataset": "ImageNet", "protocol": "1 crop", "source": "a table"},
        "macs": 10**8 * (1 + (number * 53) % 31), "params": 10**6 * (1 + number),
        "peak_activation_bytes": 10**6, "access_bytes": 10**7, "activation_bytes": 10**7,
    }  # fmt: skip


def on_front(points: list[dict[str, object]]) -> set[str]:
    def beats(a: dict, b: dict) -> bool:
        one, other = (a["macs"], -a["accuracy"]["top1"]), (b["macs"], -b["accuracy"]["top1"])
        return one != other and one[0] <= other[0] and one[1] <= other[1]

    return {p["name"] for p in points if not any(beats(q, p) for q in points)}


def test_the_front_is_what_no_network_beats(desk):
    points = [made_up(number) for number in range(25)]
    answer = {"schema": "steelyard.zoo/1", "device": "", "of": 25, "complete": True}
    desk.page.route("**/api/zoo*", lambda route: route.fulfill(json={**answer, "points": points}))
    page = desk.open("zoo")
    expect(page.locator(".dot")).to_have_count(25)
    table = page.get_by_role("region", name="networks; 0 of the zoo without")
    assert set(table.locator("tbody th").all_inner_texts()) == on_front(points)
    chart = page.get_by_role("application")
    chart.focus()
    chart.press("End")
    most = max(points, key=lambda p: p["macs"])
    expect(page.locator(".told")).to_contain_text(most["name"])
    page.get_by_label("across", exact=True).select_option("params")
    page.wait_for_url("**x=params*")
    page.reload()
    expect(page.get_by_label("across", exact=True)).to_have_value("params")
    page.get_by_role("region", name="chosen network").get_by_role("button", name="Compare…").click()
    page.wait_for_url(f"**/#/compare?n={most['name']}")
    desk.refused.add(404)  # which is no network


def test_the_zoo_is_weighed_while_one_looks(desk):
    page = desk.open("zoo?x=params&y=macs")
    expect(page.locator(".dot").first).to_be_visible()
    expect(
        page.get_by_text(f"of {len(steelyard.list_models())} networks are weighed")
    ).to_be_visible()


# ---- jobs ------------------------------------------------------------------------------------


def start(page: Page, trials: int) -> None:
    page.get_by_label("what to do").select_option("search")
    page.get_by_label("search space").select_option("digits_mobile")
    page.locator("#arg-trials-number").fill(str(trials))
    page.locator("#arg-trials-number").press("Tab")
    page.get_by_role("button", name="Start").click()


def test_a_job_survives_a_reload_and_is_cancelled(desk):
    page = desk.open("jobs")
    start(page, 2000)
    line = page.locator(".job-list li.lit")
    expect(line.locator(".state")).to_have_text("running")
    page.wait_for_url("**id=*")
    page.reload()
    expect(line.locator(".state")).to_have_text("running")
    line.get_by_role("button", name="Cancel").click()
    expect(line.locator(".state")).to_have_text("cancelled")
    expect(page.get_by_role("region", name="job", exact=True).locator(".state")).to_have_text(
        "cancelled"
    )


def test_a_job_that_is_done_shows_its_result(desk):
    page = desk.open("jobs")
    start(page, 10)
    job = page.get_by_role("region", name="job", exact=True)
    expect(job.locator(".state")).to_have_text("done")
    expect(job.get_by_role("region", name="trials: 10 rows").locator("tbody tr")).to_have_count(10)
    with page.expect_download() as waiting:
        job.get_by_role("button", name="Save as JSON").click()
    saved = json.loads(waiting.value.path().read_text("utf-8"))
    assert len(saved["trials"]) == 10
    the_front_is_drawn_and_leads_to_its_rows(page, job, saved["trials"])


def the_front_is_drawn_and_leads_to_its_rows(
    page: Page, job: Locator, trials: list[dict[str, Any]]
) -> None:
    at = {trial["number"]: tuple(trial["values"].values()) for trial in trials}
    alone = [n for n in at if sum(place == at[n] for place in at.values()) == 1]
    front = [n for n, (a, b) in at.items() if not any(
        (c, d) != (a, b) and c <= a and d <= b for c, d in at.values())]  # fmt: skip
    expect(job.locator(".dot")).to_have_count(10)
    expect(job.locator(".dot.best")).to_have_count(len(front))
    expect(job.locator(".axes .title")).to_have_text(["MACs", "Parameters"])
    job.locator(".dot").filter(has_text=f"#{alone[0]}:").click()
    lit = job.locator("tr.lit")
    expect(lit.get_by_role("button")).to_have_text(f"#{alone[0]}")
    page.wait_for_url(f"**at={alone[0]}*")
    chart = job.get_by_role("application")
    chart.press("End")
    most = max(alone, key=lambda n: at[n][0])
    expect(lit.get_by_role("button")).to_have_text(f"#{most}")
    job.get_by_role("button", name="To its row").click()
    expect(lit.get_by_role("button")).to_be_focused()
    lit.get_by_role("button").press("Shift+Tab")
    job.locator("tbody").get_by_role("button", name=f"#{front[0]}", exact=True).click()
    expect(job.locator(".told")).to_contain_text(f"#{front[0]}: ")
    for width in (380, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        found = Axe().run(page)
        assert not found.response["violations"], found.generate_report()


# ---- runs ------------------------------------------------------------------------------------


def test_a_run_is_opened(desk):
    page = desk.open("runs")
    page.get_by_role("button", name="digits").click()
    expect(
        page.get_by_role("img", name="Top-1 accuracy; at the end training 83, test 82")
    ).to_be_visible()
    expect(page.get_by_role("img", name="Loss;")).to_be_visible()


# ---- looks -----------------------------------------------------------------------------------

VIEWS = {
    "network": "network?n=lenet5&device=eyeriss",
    "compare": "compare?n=lenet5&n=lenet_caffe",
    "zoo": "zoo?x=params&y=macs",
    "jobs": "jobs?verb=estimate",
    "runs": "runs",
}
READY = {
    "network": "[role=treeitem]", "compare": ".amount", "zoo": ".dot", "jobs": "form", "runs": "tbody button",
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1280])
def test_every_view_fits_and_is_accessible(desk_of, width, scheme):
    desk = desk_of(width, 800, scheme)
    for view, address in VIEWS.items():
        page = desk.open(address)
        expect(page.locator(READY[view]).first).to_be_visible()
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{view} is {over} pixels too wide"
        found = Axe().run(page)
        assert not found.response["violations"], f"{view}: {found.generate_report()}"
        expect(page.get_by_role("navigation").get_by_role("link", name=view)).to_have_attribute(
            "aria-current", "page"
        )


def test_all_of_the_frame_is_reached_by_keys(desk):
    page = desk.open("network?n=lenet5")
    expect(page.get_by_role("treeitem").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Compare")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare networks")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("lenet5")
