"""One network in a real browser: knobs that are dragged, blocks that open, files that are handed in.

Playwright's ``expect`` asserts, and waits until it holds.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect
from torch import nn

import steelyard
from steelyard.units import format_si

pytestmark = pytest.mark.slow


def macs_of(source: str) -> str:
    return format_si(steelyard.cost(steelyard.capture(source)).total.macs)


def drag(page: Page, knob: str, to: float, steps: int = 40) -> None:
    """Drags a slider from where it is to a share of its length, without haste."""
    slider = page.locator(knob)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    low, high, now = (
        float(slider.evaluate(f"s => s.{key}")) for key in ("min", "max", "valueAsNumber")
    )
    y, thumb = box["y"] + box["height"] / 2, 8
    inside = box["width"] - 2 * thumb
    page.mouse.move(box["x"] + thumb + inside * (now - low) / (high - low), y)
    page.mouse.down()
    page.mouse.move(box["x"] + thumb + inside * to, y, steps=steps)
    page.mouse.up()


def settled(page: Page) -> None:
    """Waits until the totals and the graph are those of the settings."""
    expect(page.locator("dl.tiles")).to_have_attribute("aria-busy", "false")
    expect(page.locator("section.drawing")).to_have_attribute("aria-busy", "false")


RECORD = """figure => {
    window.shown = [];
    const note = () => window.shown.push(figure.textContent);
    new MutationObserver(note).observe(figure, {characterData: true, subtree: true, childList: true});
}"""


def test_a_dragged_knob_is_answered_and_no_answer_comes_back_late(desk):
    page = desk.open("network?n=mobilenet_v2")
    settled(page)
    figure = page.locator("[data-figure=macs]")
    figure.evaluate(RECORD)
    drag(page, "#net-width", 0.2)
    settled(page)
    width = page.locator("#net-width-number").input_value()
    assert 0 < float(width) < 1
    expect(figure).to_have_text(macs_of(f"mobilenet_v2:width={width}"))
    shown = [float(text.split()[0]) for text in page.evaluate("window.shown")]
    assert shown == sorted(shown, reverse=True)  # the width only fell, so the MACs did
    page.wait_for_url(f"**n=mobilenet_v2%3Bwidth%3D{width}*")
    page.get_by_role("button", name="width: back to 1").click()
    expect(figure).to_have_text("301 M")  # Sandler et al. 2018: 300 M


SLOW_SERVER = """async ({ takes, every, most }) => {
    const { keeper } = await import("/js/live.js");
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    let asked = 0, running = 0, together = 0, put = 0;
    const shown = [];
    const ask = async (question, signal) => {
        asked += 1; running += 1; together = Math.max(together, running);
        signal.addEventListener("abort", () => { running -= 1; });
        await pause(takes);
        if (!signal.aborted) running -= 1;
        return question;
    };
    const live = keeper(ask, (change) => {
        const { data } = change({});
        if (data !== undefined && data !== shown.at(-1)) shown.push(data);
    });
    while (put < most && !shown.length) { put += 1; live.put(put, String(put)); await pause(every); }
    const meanwhile = shown.length;
    while (shown.at(-1) !== put) await pause(takes);
    return { asked, together, put, meanwhile, shown };
}"""


def test_a_slow_server_is_asked_one_question_at_a_time_and_its_answers_are_seen(desk):
    page = desk.open("runs")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    for every in (20, 400):  # a drag, and steps by the arrow keys
        seen = page.evaluate(SLOW_SERVER, {"takes": 900, "every": every, "most": 300})
        assert seen["together"] == 1
        assert seen["meanwhile"] > 0  # not only when all is at rest
        assert seen["shown"] == sorted(seen["shown"])
        assert seen["asked"] < 12


def test_a_setting_is_typed_and_what_is_impossible_is_told(desk):
    desk.refused.add(422)
    page = desk.open("network?n=mobilenet_v2")
    settled(page)
    page.locator("#net-batch-number").fill("8")
    page.locator("#net-batch-number").press("Enter")
    expect(page.locator("[data-figure=macs]")).to_have_text("2.41 G")  # 8 times 301 M
    page.locator("#net-num_classes-number").fill("-3")
    page.locator("#net-num_classes-number").press("Enter")
    expect(page.locator(".totals [role=alert]")).to_contain_text("num_classes")
    expect(page.locator("[data-figure=macs]")).to_have_text("2.41 G")  # the last that was possible
    page.get_by_role("button", name="num classes: back to 1000").click()
    expect(page.locator(".totals [role=alert]")).to_have_count(0)


def test_blocks_open_by_pointer_and_by_keys(desk):
    page = desk.open("network?n=resnet18")
    settled(page)
    block = page.locator("[data-id='b:layer1']")
    expect(block).to_have_attribute("aria-expanded", "false")
    block.click()
    expect(block).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-id='b:layer1.0']")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-id='b:layer1.0']")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-id='l:layer1.0.conv1']")).to_be_focused()
    chosen = page.get_by_role("region", name="chosen")
    expect(chosen).to_contain_text("conv 3×3")
    expect(chosen).to_contain_text("116 M")  # 56 x 56 x 64 x 64 x 9
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-id='b:layer1.0']")).to_have_attribute("aria-expanded", "false")
    page.wait_for_function("!location.hash.includes('layer1.0&')")
    page.reload()  # the address holds what is open
    expect(page.locator("[data-id='b:layer1']")).to_have_attribute("aria-expanded", "true")


def test_layers_are_filtered_and_found_in_the_graph(desk):
    page = desk.open("network?n=resnet18")
    settled(page)
    page.get_by_label("filter").fill("layer4.1 conv2")
    expect(page.get_by_role("status").filter(has_text="1 of")).to_be_visible()
    page.get_by_role("button", name="layer4.1.conv2").click()
    expect(page.locator("[data-id='l:layer4.1.conv2']")).to_be_visible()


def test_a_device_bounds_the_time_and_its_buffer_can_be_turned(desk):
    page = desk.open("network?n=alexnet&device=eyeriss")
    settled(page)
    expect(page.locator("[data-figure=latency_s]")).to_contain_text("ms")
    page.get_by_label("colour by").select_option("time_s")
    page.wait_for_url("**heat=time_s*")
    before = page.locator("[data-figure=latency_s]").inner_text()
    drag(page, "[id='dev-dram.read_bandwidth.I'], [id='dev-dram.read_bandwidth']", 0.1)
    settled(page)
    expect(page.locator("[data-figure=latency_s]")).not_to_have_text(before)


def squeezenet() -> Path:
    folder = Path(find_spec("onnx").origin).parent
    return folder / "backend/test/data/light/light_squeezenet.onnx"


def test_files_are_handed_in_and_thrown_away(desk, tmp_path):
    desk.refused.add(422)
    page = desk.open("network?n=lenet5")
    settled(page)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network at all")
    upload = page.get_by_label("upload a network, .onnx or .pt2")
    upload.set_input_files(broken)
    expect(page.locator(".drop [role=alert]")).to_contain_text("is not an ONNX file")
    upload.set_input_files(squeezenet())
    expect(page.get_by_role("heading", level=1)).to_have_text("light_squeezenet.onnx")
    expect(page.locator("[data-figure=macs]")).to_have_text(
        "349 M"
    )  # README, from the command line
    page.locator("#net-batch-number").fill("2")
    page.locator("#net-batch-number").press("Enter")
    expect(page.locator("[data-figure=macs]")).to_have_text("698 M")
    page.get_by_role("button", name="Delete light_squeezenet.onnx").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("resnet50")


class Small(nn.Module):
    """A block and a head, whose costs are counted by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.stem(x)).flatten(1))


def test_an_exported_archive_is_handed_in_and_its_costs_are_seen(desk, tmp_path):
    path = tmp_path / "small.pt2"
    images, any_batch = torch.zeros(2, 3, 32, 32), {0: torch.export.Dim("batch")}
    made = torch.export.export(Small().eval(), (images,), dynamic_shapes=(any_batch,))
    torch.export.save(made, path)
    page = desk.open("network?n=lenet5")
    settled(page)
    page.get_by_label("upload a network, .onnx or .pt2").set_input_files(path)
    expect(page.get_by_role("heading", level=1)).to_have_text("small.pt2")
    settled(page)
    # two images; at 32 x 32 places 8 filters of 3 x 3 x 3 (and their biases); 8 x 10 and 10
    expect(page.locator("[data-figure=macs]")).to_have_text("443 k")
    expect(page.locator("[data-figure=params]")).to_have_text("314")
    table = page.get_by_role("region", name="layers", exact=True)
    conv = table.get_by_role("row").filter(has_text="stem.0").locator("td")
    expect(conv).to_contain_text(["conv 3×3", "2×8×32×32", "442 k", "224"])
    expect(table.get_by_role("row").filter(has_text="head").locator("td")).to_contain_text(
        ["linear", "2×10", "160", "90"]
    )
    expect(page.get_by_text("the export left open are counted as in its example")).to_be_visible()
    expect(page.locator("#net-resolution")).to_have_count(0)  # an archive's are fixed
    batch = page.locator("#net-batch-number")
    expect(batch).to_have_value("2")
    batch.fill("1")
    batch.press("Enter")
    expect(page.locator("[data-figure=macs]")).to_have_text("221 k")
    table.get_by_role("button", name="stem.0").click()
    expect(page.locator("[data-id='l:stem.0']")).to_be_visible()
    page.get_by_role("button", name="Delete small.pt2").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("resnet50")


def test_without_the_token_it_is_asked_for(desk):
    desk.refused.add(401)
    page = desk.page
    page.goto(f"{desk.url}/#token=wrong&/network?n=lenet5")
    expect(page.get_by_role("heading", level=1)).to_have_text("This page needs its token")
    page.get_by_label("address or token").fill(f"{desk.url}/#token={desk.token}")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("lenet5")
    other = desk.context.new_page()  # another tab knows it as well: links can be shared
    desk.watch(other)
    other.goto(f"{desk.url}/#/network?n=vgg16")
    expect(other.locator("[data-figure=macs]")).to_have_text(
        "15.5 G"
    )  # Simonyan and Zisserman 2014
