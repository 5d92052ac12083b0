"""``steelyard cost``: what is printed, in which form and where, and limits."""

import csv
import json
from pathlib import Path

import pytest

import steelyard as sy
from steelyard.cli import cost as verb
from steelyard.report import render

# LeNet of Caffe's examples/mnist, from its prototxt: 20 filters of 5x5 on 28x28, pooling, 50 filters of 5x5
# on 12x12, pooling, 800 -> 500 -> 10.
LENET_MACS = 20 * 24 * 24 * 25 + 50 * 8 * 8 * 20 * 25 + 800 * 500 + 500 * 10
LENET_PARAMS = 20 * 25 + 20 + 50 * 20 * 25 + 50 + 800 * 500 + 500 + 500 * 10 + 10


def test_json_is_the_object_of_to_dict(run_cli) -> None:
    done = run_cli("cost", "lenet_caffe", "--json")
    assert done.code == 0
    assert done.err == ""
    data = json.loads(done.out)
    assert data == json.loads(json.dumps(sy.cost(sy.capture("lenet_caffe")).to_dict()))
    assert data["schema"] == "steelyard.cost/1"
    assert data["total"]["macs"] == LENET_MACS
    assert data["total"]["params"] == LENET_PARAMS


def test_the_table_names_units_totals_and_what_it_sums_up(run_cli) -> None:
    done = run_cli("cost", "resnet18")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("resnet18: cost by layer")
    assert any("MACs" in line for line in lines[:5])
    total = next(line for line in lines if line.startswith("total "))
    # 11,689,512: 11.2 M of convolutions and norms, and 513,000 of the last layer (torchvision's count)
    assert "1,814" in total or "1.81" in total
    assert "summed up by kind" in done.out
    assert "\x1b" not in done.out


def test_csv_has_one_row_a_layer_and_no_rounding(run_cli) -> None:
    rows = list(csv.DictReader(run_cli("cost", "lenet_caffe", "--format", "csv").out.splitlines()))
    assert sum(int(row["macs"]) for row in rows) == LENET_MACS
    assert sum(int(row["params"]) for row in rows) == LENET_PARAMS


def test_csv_of_groups_has_one_row_a_group(run_cli) -> None:
    done = run_cli("cost", "lenet_caffe", "--by", "kind", "--format", "csv")
    rows = {row["kind"]: int(row["macs"]) for row in csv.DictReader(done.out.splitlines())}
    assert rows["linear"] == 800 * 500 + 500 * 10
    assert rows["conv"] == LENET_MACS - rows["linear"]


def test_markdown_is_a_pipe_table(run_cli) -> None:
    out = run_cli("cost", "lenet_caffe", "--format", "md").out
    assert out.startswith("## lenet")
    assert "| layer" in out


def test_the_output_file_has_what_stdout_would_have(run_cli, tmp_path: Path) -> None:
    file = tmp_path / "cost.json"
    done = run_cli("cost", "lenet_caffe", "--json", "-o", file)
    assert (done.code, done.out) == (0, "")
    assert file.read_text() == run_cli("cost", "lenet_caffe", "--json").out
    assert [p.name for p in tmp_path.iterdir()] == ["cost.json"]


def test_batch_input_and_dtype(run_cli) -> None:
    def total(*options: object) -> dict:
        return json.loads(run_cli("cost", "lenet_caffe", "--json", *options).out)["total"]

    one, four = total(), total("--batch", 4)
    assert four["macs"] == 4 * one["macs"]
    assert four["params"] == one["params"]
    assert total("--input", "4x1x28x28") == four
    half = total("--dtype", "float16")
    assert half["param_bytes"] * 2 == one["param_bytes"]
    assert half["macs"] == one["macs"]


def test_the_workload_file_is_a_source(run_cli, tmp_path: Path) -> None:
    file = tmp_path / "lenet.json"
    first = run_cli("cost", "lenet_caffe", "--json", "--workload", file)
    assert f"workload: {file}" in first.err
    second = run_cli("cost", file, "--json")
    assert json.loads(second.out)["rows"] == json.loads(first.out)["rows"]


def test_training_memory_and_findings_are_added_under_keys_of_their_own(run_cli) -> None:
    options = ("--json", "--train", "--optimizer", "adam", "--findings")
    data = json.loads(run_cli("cost", "lenet_caffe", *options).out)
    assert data["training_memory"]["optimizer_bytes"] == 2 * 4 * LENET_PARAMS
    assert isinstance(data["findings"], list)
    shown = run_cli("cost", "lenet_caffe", "--train", "--optimizer", "adam").out
    assert "training with adam" in shown


def test_within_limits_the_exit_code_is_0(run_cli) -> None:
    done = run_cli("cost", "lenet_caffe", "--max-macs", LENET_MACS, "--max-params", LENET_PARAMS)
    assert (done.code, done.err) == (0, "")


def test_an_exceeded_limit_exits_with_1_and_says_by_how_much(run_cli) -> None:
    done = run_cli("cost", "lenet_caffe", "--max-macs", LENET_MACS - 1, "--max-params", "431k")
    assert done.code == 1
    assert done.out.startswith("lenet_caffe")
    assert done.err == (
        "error: lenet_caffe exceeds 2 limits\n"
        "  MACs: 2.29 M, which is 1 (0.0%) over --max-macs 2.29 M\n"
        "  parameters: 431 k, which is 80 (0.0%) over --max-params 431 k\n"
    )


def test_the_peak_memory_limit(run_cli) -> None:
    # the first convolution: its input of 28 x 28 and its output of 20 x 24 x 24 floats
    peak = 4 * (28 * 28 + 20 * 24 * 24 + 20 * 12 * 12)
    assert run_cli("cost", "lenet_caffe", "-q", "--max-peak-memory", f"{peak}B").code == 0
    done = run_cli("cost", "lenet_caffe", "-q", "--max-peak-memory", "32KiB")
    assert done.code == 1
    assert "over --max-peak-memory 32.8 kB" in done.err


@pytest.mark.parametrize("limit", ["many", "-3", "3 apples", ""])
def test_a_limit_that_is_no_number_is_a_usage_error(run_cli, limit: str) -> None:
    done = run_cli("cost", "lenet_caffe", f"--max-macs={limit}")
    assert done.code == 2
    assert done.out == ""
    assert f"{limit!r} is not a count" in done.err


def test_the_choices_are_those_of_the_report_room() -> None:
    assert verb._BY == render.BY
    assert verb._SORT == render.SORT


@pytest.mark.parametrize("shape", ["1x3x", "axb", "1x-3", "image:1x3", "x", "1e3x4"])
def test_a_malformed_shape_is_a_usage_error(run_cli, shape: str) -> None:
    done = run_cli("cost", "lenet_caffe", f"--input={shape}")
    assert done.code == 2
    assert "is no shape; expected sizes with x between them, e.g. 1x3x224x224" in done.err


def test_inputs_are_all_named_or_none(run_cli) -> None:
    done = run_cli("cost", "lenet_caffe", "--input", "a=1x3", "--input", "1x3")
    assert done.code == 2
    assert "name each input once, or none of them" in done.err


def test_json_and_another_format_contradict(run_cli) -> None:
    done = run_cli("cost", "lenet_caffe", "--json", "--format", "csv")
    assert (done.code, done.err) == (
        2,
        "error: --json and --format csv are both given\n  expected: one\n",
    )


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_chart_is_drawn(run_cli, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"chart.{suffix}"
    done = run_cli("cost", "lenet_caffe", "--chart", file)
    assert done.code == 0, done.err
    start = file.read_bytes()[:200]
    assert (
        start.startswith(b"\x89PNG") if suffix == "png" else b"<svg" in start or b"<?xml" in start
    )
