"""``steelyard devices``: the list, one device, its file, and mistakes."""

import csv
import json

import steelyard as sy


def test_all_devices_are_listed(run_cli) -> None:
    done = run_cli("devices", "--json")
    data = json.loads(done.out)
    assert done.code == 0
    assert data["schema"] == "steelyard.devices/1"
    assert [entry["name"] for entry in data["devices"]] == sy.list_devices()
    chip = next(entry for entry in data["devices"] if entry["name"] == "eyeriss")
    assert (chip["units"], chip["node_nm"], chip["peak_macs_per_s"]) == (168, 65, 33.6e9)
    rows = list(csv.DictReader(run_cli("devices", "--format", "csv").out.splitlines()))
    assert [row["name"] for row in rows] == sy.list_devices()


def test_a_pattern_chooses(run_cli) -> None:
    out = run_cli("devices", "eyeriss_*").out
    assert "2 devices" in out
    assert "eyeriss_v2" in out
    assert "tpu" not in out


def test_one_device_with_the_source_of_each_number(run_cli) -> None:
    out = run_cli("devices", "eyeriss").out
    assert "168 multiply-accumulate units at 200 MHz: 33.6 GMAC/s" in out
    assert "levels.glb.capacity_bytes" in out
    data = json.loads(run_cli("devices", "eyeriss", "--json").out)
    assert data["schema"] == "steelyard.device/1"
    assert data["levels"]["dram"]["read_pj"] == 460


def test_a_file_of_ones_own(run_cli, tmp_path) -> None:
    mine = tmp_path / "mine.yaml"
    assert run_cli("devices", "tpu_v1", "--yaml", "-o", str(mine)).code == 0
    assert sy.device(mine) == sy.device("tpu_v1")
    mine.write_text(mine.read_text().replace("size: 256", "size: 128"))
    assert "16,384 multiply-accumulate units" in run_cli("devices", str(mine)).out


def test_mistakes(run_cli, tmp_path) -> None:
    done = run_cli("devices", "eyeris")
    assert done.code == 3
    assert "no device is named 'eyeris'" in done.err
    assert "nearest: eyeriss" in done.err
    assert run_cli("devices", "zz*").code == 3
    done = run_cli("devices", "eyeriss*", "--yaml")
    assert done.code == 2
    assert "the name of one device" in done.err
    bad = tmp_path / "bad.yaml"
    bad.write_text(sy.device("eyeriss").to_yaml().replace("size: 14", "size: 0"))
    done = run_cli("devices", str(bad))
    assert done.code == 3
    assert "bad.yaml, line" in done.err
    assert "levels.pes.axes.x.size: 0" in done.err
    done = run_cli("devices", str(tmp_path / "none.yaml"))
    assert done.code == 3
    assert "cannot be read" in done.err
