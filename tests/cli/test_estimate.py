"""``steelyard estimate``: what is printed, in which form, and what is refused."""

import csv
import io
import json

import pytest
import yaml

import steelyard as sy
from steelyard.hardware.estimate import estimate

NET = "lenet_caffe"
MACS = 20 * 24 * 24 * 25 + 50 * 8 * 8 * 20 * 25 + 800 * 500 + 500 * 10


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def test_json_is_the_object_of_to_dict(run_cli) -> None:
    done = run_cli("estimate", NET, "--device", "eyeriss", "--json")
    assert (done.code, done.err) == (0, "")
    data = json.loads(done.out)
    same = json.loads(json.dumps(estimate(sy.capture(NET), "eyeriss").to_dict()))
    for result in (data, same):
        del result["seconds"], result["searched"]
    assert data == same
    assert data["total"]["macs"] == MACS
    assert data["total"]["energy_pj"] == pytest.approx(
        sum(data["total"]["energy_pj_by_level"].values())
    )


def test_table(run_cli) -> None:
    done = run_cli("estimate", NET, "--device", "eyeriss", "--batch", "2")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == f"{NET} on eyeriss"
    assert lines[1].startswith("Batch 2;")
    assert "(µJ)" in done.out and "DRAM" in done.out
    assert any(line.startswith("total ") for line in lines)
    assert "proven the best" in done.out
    assert "images/s" in done.out


def test_csv_adds_up(run_cli) -> None:
    done = run_cli("estimate", NET, "--device", "eyeriss", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    result = sy.estimate(sy.capture(NET), "eyeriss")
    layers = [row for row in rows if row["layer"] != "total"]
    assert sum(float(row["energy_uj"]) for row in layers) == pytest.approx(result.energy_pj / 1e6)
    levels = [f"{name}_uj" for name in result.energy_by_level()]
    for row in layers:
        assert sum(float(row[name]) for name in levels) == pytest.approx(float(row["energy_uj"]))
    # 16-bit words
    assert sum(float(row["dram_bytes"]) for row in layers) == 2 * result.dram_accesses


def test_markdown_and_file(run_cli, tmp_path) -> None:
    done = run_cli(
        "estimate", NET, "--device", "eyeriss", "--format", "md", "-o", tmp_path / "e.md"
    )
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "e.md").read_text(encoding="utf-8").startswith("## lenet\\_caffe on eyeriss")


def test_several_devices(run_cli) -> None:
    devices = ("--device", "eyeriss", "--device", "shidiannao_like")
    done = run_cli("estimate", NET, *devices)
    assert done.code == 0
    assert f"{NET} on 2 devices" in done.out
    assert "least energy:" in done.out
    data = json.loads(run_cli("estimate", NET, *devices, "--json").out)
    assert data["schema"] == "steelyard.estimates/1"
    assert [one["device"] for one in data["estimates"]] == ["eyeriss", "shidiannao_like"]


def test_drawing(run_cli) -> None:
    done = run_cli("estimate", NET, "--device", "eyeriss", "--dataflow", "RS", "--mapping", "conv2")
    assert done.code == 0
    first = done.out.splitlines()[0]
    assert first.startswith("conv2 on eyeriss: M=50 C=20 P=8 Q=8 R=5 S=5")
    assert "[dram]" in done.out and "<pes>" in done.out and "of 168 units" in done.out
    assert f"{50 * 8 * 8 * 20 * 25:,} MACs" in done.out
    done = run_cli("estimate", NET, "--device", "eyeriss", "--mapping", "conv2", "--format", "md")
    assert done.out.startswith("```text\nconv2 on eyeriss")


def test_export(run_cli, tmp_path) -> None:
    done = run_cli("estimate", NET, "--device", "eyeriss", "--export", tmp_path / "out")
    assert done.code == 0
    assert "Timeloop and ZigZag" in done.err
    names = {
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.yaml")
    }
    assert {
        "timeloop/eyeriss.arch.yaml",
        "zigzag/eyeriss.accelerator.yaml",
        "zigzag/eyeriss.mapping.yaml",
    } < names
    assert sum(name.startswith("timeloop/0") for name in names) == 4
    layers = yaml.safe_load((tmp_path / f"out/zigzag/{NET}.eyeriss.workload.yaml").read_text())
    assert len(layers) == 4


def test_sweep(run_cli) -> None:
    args = ("estimate", NET, "--device", "shidiannao_like", "--workers", "1")
    done = run_cli(*args, "--sweep", "nbin.capacity_bytes=32KiB..64KiB", "--json")
    assert done.code == 0
    points = json.loads(done.out)["points"]
    assert [p["settings"]["nbin.capacity_bytes"] for p in points] == [32768, 65536]
    assert points[1]["energy_pj"] == sy.estimate(sy.capture(NET), "shidiannao_like").energy_pj
    done = run_cli(*args, "--sweep", "nbin.capacity_bytes=32KiB..64KiB")
    assert "2 points were known before" in done.out
    for wrong, words in (
        ("nbin", "PATH=VALUES"),
        ("nbni.capacity_bytes=1K", "nbin.capacity_bytes"),
    ):
        done = run_cli(*args, "--sweep", wrong)
        assert done.code in (2, 3)
        assert words in done.err


def test_zeros(run_cli, tmp_path) -> None:
    conv2 = {"name": "conv2", "input_zeros": 0.7, "weight_zeros": 0.0, "output_zeros": 0.5}
    file = tmp_path / "zeros.json"
    file.write_text(json.dumps({"schema": "steelyard.sparsity/1", "layers": [conv2]}))
    done = run_cli("estimate", NET, "--device", "eyeriss", "--zeros", file, "--json")
    data = json.loads(done.out)
    dense = sy.estimate(sy.capture(NET), "eyeriss")
    assert data["total"]["energy_pj"] < dense.energy_pj
    one = next(layer for layer in data["layers"] if layer["name"] == "conv1")
    assert one["energy_pj"] == dense.layer("conv1").energy_pj
    for text in (
        "{}",
        "[]",
        "x",
        '{"schema": "steelyard.sparsity/1", "layers": [{"name": "conv1"}]}',
    ):
        file.write_text(text)
        done = run_cli("estimate", NET, "--device", "eyeriss", "--zeros", file)
        assert done.code == 3
        assert "holds no zeros" in done.err


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("--device", "eyris"), 3, "eyeriss"),
        (("--device", "h100"), 2, "roofline"),
        ((), 2, "--device"),
        (("--device", "eyeriss", "--mapping", "conv9"), 3, "conv1"),
        (("--device", "eyeriss", "--mapping", "pool1"), 3, "pool1"),
        (("--device", "eyeriss", "--mapping", "conv1", "--json"), 2, "draws"),
        (("--device", "eyeriss", "--objective", "money"), 2, "energy"),
        (("--device", "eyeriss", "--dataflow", "XS"), 3, "RS"),
        (("--device", "eyeriss", "--budget", "0"), 2, "budget"),
    ],
)
def test_refused(run_cli, args, code, words) -> None:
    done = run_cli("estimate", NET, *args)
    assert done.code == code
    assert done.out == ""
    assert words in done.err


def test_an_estimate_prints_itself() -> None:
    result = sy.estimate(sy.capture(NET), "eyeriss")
    assert str(result).startswith(f"{NET} on eyeriss")
    assert "<table" in result._repr_html_()
    assert isinstance(result, sy.Estimate)


def test_another_width_than_the_device_has_is_refused(run_cli) -> None:
    done = run_cli("estimate", NET, "--device", "eyeriss", "--dtype", "float64")
    assert done.code != 0
    assert "--dtype float64 on eyeriss, whose inputs have 16 bits" in done.err
    assert "computes in its own widths" in done.err
    assert run_cli("estimate", NET, "--device", "eyeriss", "--dtype", "float16").code == 0


def test_a_roofline_is_sent_to_the_roofline(run_cli) -> None:
    done = run_cli("estimate", NET, "--device", "eyeriss", "--device", "h100")
    assert "mapping" not in done.err.split("error:")[0]  # before any work
    assert "steelyard roofline NETWORK --device h100" in done.err


def test_zeros_that_are_no_file(run_cli) -> None:
    done = run_cli("estimate", NET, "--device", "eyeriss", "--zeros", "nosuch.json")
    assert "nosuch.json holds no zeros of layers: No such file or directory" in done.err
    assert "steelyard sparsity NETWORK IMAGE" in done.err
