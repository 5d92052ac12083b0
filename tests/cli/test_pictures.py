"""``report --device``, and pages and charts by the name of the file: ``estimate`` and ``roofline``."""

import json

import pytest

NET = "lenet_caffe"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def test_a_report_knows_devices(run_cli, tmp_path) -> None:
    path = tmp_path / "r.html"
    done = run_cli("report", NET, "--device", "shidiannao_like", "--device", "h100", "-o", path)
    assert (done.code, done.out) == (0, "")
    page = path.read_text(encoding="utf-8")
    for text in ("On shidiannao_like", "On h100", "Devices side by side", "Roofline of h100"):
        assert text in page
    data = json.loads(
        run_cli("report", NET, "--device", "shidiannao_like", "--objective", "dram", "--json").out
    )
    (device,) = data["networks"][0]["devices"]
    assert device["estimate"]["objective"] == "dram"


def test_the_suffix_makes_a_page_of_an_estimate(run_cli, tmp_path) -> None:
    path = tmp_path / "e.html"
    done = run_cli("estimate", NET, "--device", "shidiannao_like", "-o", path)
    assert (done.code, done.out, done.err) == (0, "", f"written: {path}\n")
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    # another form that is asked for goes before the name
    run_cli("estimate", NET, "--device", "shidiannao_like", "--json", "-o", path)
    assert json.loads(path.read_text(encoding="utf-8"))["schema"] == "steelyard.estimate/1"


def test_a_sweep_becomes_a_page_of_fronts(run_cli, tmp_path) -> None:
    path = tmp_path / "s.html"
    sweep = ("--sweep", "clock_hz=500M,1G", "--workers", "1")
    done = run_cli("estimate", NET, "--device", "shidiannao_like", *sweep, "-o", path)
    assert done.code == 0
    assert "Energy against latency" in path.read_text(encoding="utf-8")


def test_the_suffix_draws_a_roofline(run_cli, tmp_path) -> None:
    page = tmp_path / "r.html"
    args = ("roofline", NET, "--device", "tpu_v1", "--dataflow", "any", "-o")
    assert run_cli(*args, page).code == 0
    assert "Roofline of tpu_v1" in page.read_text(encoding="utf-8")
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    picture = tmp_path / "r.svg"
    assert run_cli(*args, picture).err == f"written: {picture}\n"
    assert "<svg" in picture.read_text(encoding="utf-8")
