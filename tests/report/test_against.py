"""A report against an earlier one, and limits; truth: counts worked out by hand for two networks that differ in one layer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.cost import cost
from steelyard.errors import FileFormatError, InputError, UsageError
from steelyard.report.against import hold_against, layers_table, quantities_table, say_change
from steelyard.report.api import Report, report
from steelyard.report.limits import exceeded, parse_limit
from steelyard.report.snapshot import read_report, snapshot


@pytest.fixture(scope="module")
def nets(net_builder):
    """The same network before and after its second convolution got twice the filters and a ReLU behind it."""

    def build(filters: int, relu: bool, name: str = "net"):
        net = net_builder(name, (1, 3, 8, 8)).conv("conv1", 4, 3, padding=1)
        net.conv("conv2", filters, 1)
        return (net.relu("relu") if relu else net).done()

    return build


def held(nets, tmp_path: Path, old: object = None, **more: object) -> Report:
    if old is None:
        old = tmp_path / "old.json"
        report(nets(8, relu=False)).save(tmp_path / "old.json")
    return report(nets(16, relu=True), against=old, **more)


# conv1: 4 x 3 x 9 x 64 MACs, conv2: filters x 4 x 64; parameters 4 x 27 + 4 and 5 x filters
BEFORE = {"macs": 6912 + 8 * 256, "params": 112 + 40, "ops": 0}
AFTER = {"macs": 6912 + 16 * 256, "params": 112 + 80, "ops": 16 * 64}


@pytest.mark.parametrize("form", ["report", "cost", "workload", "Report"])
def test_what_changed_is_the_same_by_hand_whatever_it_is_held_against(nets, tmp_path, form):
    before = nets(8, relu=False)
    path = tmp_path / "old.json"
    texts = {
        "report": lambda: report(before).to_json(),
        "cost": lambda: json.dumps(cost(before).to_dict()),
        "workload": before.to_json,
    }
    if form in texts:
        path.write_text(texts[form](), "utf-8")
    (found,) = held(nets, tmp_path, report(before) if form == "Report" else path).against
    known = {one.key: one for one in found.quantities}
    for key in BEFORE:
        assert (known[key].before, known[key].after) == (BEFORE[key], AFTER[key])
    assert known["macs"].change == pytest.approx(2048 / 8960)
    assert [(one.name, one.change) for one in found.layers] == [
        ("conv2", "changed"),
        ("relu", "added"),
    ]
    assert "MACs +22.9 %" in found.sentence()
    assert "layers: 1 changed, 1 added" in found.sentence()
    assert layers_table(found).column("macs_delta") == (2048, 0)


def test_nothing_changed_is_said(nets, tmp_path):
    before = nets(8, relu=False)
    report(before).save(tmp_path / "old.json")
    (found,) = report(before, against=tmp_path / "old.json").against
    assert found.sentence() == f"Nothing changed against {tmp_path / 'old.json'}."
    assert set(quantities_table(found).column("change")) == {"0"}


def test_what_was_nothing_before_is_new(nets, tmp_path):
    (found,) = held(nets, tmp_path).against
    ops = next(one for one in found.quantities if one.key == "ops")
    assert ops.change is None
    assert say_change(ops) == "new"


def test_devices_are_compared_where_both_have_them_in_the_same_settings(
    small, placed, ceilings, tmp_path
):
    whole = Report((cost(small),), "t", placed=((placed, ceilings),))
    data = Report((cost(small),), "t", placed=((placed,),)).to_dict()
    estimate = data["networks"][0]["devices"][0]["estimate"]
    estimate["total"]["energy_pj"] /= 2
    old = tmp_path / "old.json"
    old.write_text(json.dumps(data))
    now = [snapshot(whole.costs[0], whole.placed[0])]
    (found,) = hold_against(now, read_report(old), "old.json", any_name=False)
    change = {(one.key, one.device): one.change for one in found.quantities}
    assert change["energy_pj", "chip"] == pytest.approx(1.0)
    assert change["latency_s", "chip"] == 0
    assert found.notes == ("old.json has no figures of h100",)
    made = replace(whole, against=(found,))
    said = exceeded(made, [parse_limit("energy_pj", "+50%"), parse_limit("macs", "+0%")])
    assert len(said) == 1
    assert "energy on chip" in said[0]
    assert "+100.0 %; --max-energy allows +50%" in said[0]
    with pytest.raises(InputError, match="no latency of small on h100 in these settings"):
        exceeded(made, [parse_limit("latency_s", "+5%")])
    estimate["objective"] = "latency"
    old.write_text(json.dumps(data))
    (other,) = hold_against(now, read_report(old), "old.json", any_name=False)
    assert "chip is not compared: least latency before, least energy now" in other.notes


@pytest.mark.parametrize(
    ("quantity", "text", "breaks"),
    [
        ("macs", "+22%", True), ("macs", "+23%", False), ("macs", "11007", True), ("macs", "11.008k", False),
        ("params", "+26.3%", True), ("params", "+26.4%", False), ("params", "-5%", True),
        ("peak_activation_bytes", "1MB", False), ("peak_activation_bytes", "1kB", True),
        ("access_bytes", "+0%", True), ("access_bytes", "1MiB", False),
    ],
)  # fmt: skip
def test_limits_hold_or_break_by_the_counts(nets, tmp_path, quantity, text, breaks):
    assert AFTER["macs"] == 11_008
    said = exceeded(held(nets, tmp_path), [parse_limit(quantity, text)])
    assert len(said) == breaks
    assert not breaks or said[0].startswith("net: ")


@pytest.mark.parametrize("text", ["", "2", "2ms", "+2", "2 %%", "-%", "fast", "+2% or so", "nan s"])
def test_what_is_no_limit_is_said(text):
    with pytest.raises(UsageError, match=r"--max-energy: .* is no limit\nexpected: .*2mJ, or \+2% with --against"):  # fmt: skip
        parse_limit("energy_pj", text)
    assert parse_limit("energy_pj", "2 mJ").value == 2e9


def test_relative_limits_need_something_to_be_relative_to(nets):
    with pytest.raises(UsageError, match=r"--max-macs \+2% is relative\n.*\ntry: --against"):
        exceeded(report(nets(8, relu=False)), [parse_limit("macs", "+2%")])
    with pytest.raises(UsageError, match="--max-latency without a device"):
        exceeded(report(nets(8, relu=False)), [parse_limit("latency_s", "2ms")])


def broken(data: dict, change: str) -> str:
    net = data["networks"][0]
    if change == "schema":
        data["schema"] = "steelyard.report/99"
    elif change == "none":
        del data["schema"]
    elif change == "name":
        net["workload"]["name"] = "other"
    elif change == "batch":
        net["workload"]["batch"] = 8
    elif change == "rows":
        del net["rows"]
    elif change == "number":
        net["total"]["macs"] = "many"
    elif change == "negative":
        net["rows"][0]["params"] = -1
    elif change == "nan":
        net["total"]["macs"] = float("nan")
    text = json.dumps(data)
    return text[: len(text) // 2] if change == "truncated" else text


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ("schema", FileFormatError, r"schema 'steelyard.report/99'\nexpected: steelyard.report/1"),
        ("none", FileFormatError, "has no schema"),
        ("name", InputError, r"has other, not net\nexpected: an earlier report of net"),
        ("batch", InputError, r"net with batch 8, this report with batch 1\n.*\ntry: --batch 8"),
        ("rows", FileFormatError, r"networks\[0\] has no 'rows'"),
        ("number", FileFormatError, r"networks\[0\].total.macs is 'many', no number"),
        ("negative", FileFormatError, r"networks\[0\].rows\[0\].params is -1, no number from 0"),
        ("nan", FileFormatError, r"total.macs is nan"),
        ("truncated", FileFormatError, r"is not JSON: .*\nexpected: a whole report\ntry: steelyard report"),
    ],
)  # fmt: skip
def test_what_is_no_earlier_report_of_it_is_said(nets, tmp_path, change, error, words):
    path = tmp_path / "old.json"
    path.write_text(broken(report(nets(8, relu=False)).to_dict(), change), "utf-8")
    with pytest.raises(error, match=words):
        held(nets, tmp_path, path)


def test_a_missing_file_and_bytes_are_said(nets, tmp_path):
    with pytest.raises(FileFormatError, match=r"there is no file .*none.json"):
        held(nets, tmp_path, tmp_path / "none.json")
    path = tmp_path / "old.json"
    path.write_bytes(b'{"schema": "\xff"}')
    with pytest.raises(FileFormatError, match="is not UTF-8: byte 12"):
        held(nets, tmp_path, path)
    path.write_text("[" * 100_000)
    with pytest.raises(FileFormatError, match="is not JSON"):
        held(nets, tmp_path, path)


def test_a_network_of_another_name_is_taken_alone_only(nets, tmp_path):
    other = nets(8, relu=False, name="other")
    (found,) = held(nets, tmp_path, other).against
    assert found.before.name == "other"
    with pytest.raises(UsageError, match="2 networks against other"):
        report(nets(8, relu=False), nets(16, relu=True, name="third"), against=other)


def test_hostile_names_in_an_earlier_report_stay_inert(hostile_net, net_builder, tmp_path):
    old = tmp_path / "old.json"
    report(hostile_net).save(old)
    now = net_builder(hostile_net.name, (1, 4, 8, 8)).conv("<img src=x onerror=alert(1)>", 4, 1)
    made = report(now.done(), against=old)
    page, text = made.to_html(), made.to_markdown()
    assert page.count("<script") == 2
    for tag in ("<img", "<svg onload", "</title><"):
        assert tag not in page
    assert "<img" not in text
    assert "<script" not in text
