"""Captures that are kept: the same workload, without torch, and never one that is stale."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

import steelyard as sy
from steelyard._kept import Kept
from steelyard.capture import kept as room
from steelyard.capture.kept import Captures, package_digest

LATER = time.time() + 1e6
"""A process that begins when nobody changes the package any more."""


@pytest.fixture(scope="module")
def load() -> sy.Workload:
    return sy.capture("lenet_caffe")


def test_what_is_kept_is_the_same_workload(tmp_path: Path, load: sy.Workload) -> None:
    file = tmp_path / "captures.sqlite"
    first = Captures(LATER, file)
    assert first.get("lenet_caffe", None, None) is None
    first.put(" lenet_caffe", None, None, load)
    found = Captures(LATER, file).get("lenet_caffe", None, None)
    assert found == load and found.digest == load.digest and found.warnings == load.warnings
    for asked in [
        ("lenet_caffe:num_classes=10", None, None),
        ("lenet_caffe", (1, 1, 28, 28), None),
        ("lenet_caffe", None, 1),
    ]:
        assert first.get(*asked) is None
    assert first.notes == []


@pytest.mark.parametrize("source", ["net.onnx", "a/net.json", "package.nets:build", "nets:build"])
def test_only_the_zoo_is_kept(tmp_path: Path, load: sy.Workload, source: str) -> None:
    captures = Captures(LATER, tmp_path / "captures.sqlite")
    captures.put(source, None, None, load)
    assert captures.get(source, None, None) is None
    assert not any(tmp_path.iterdir())


def test_a_package_that_changes_meanwhile_is_not_kept(tmp_path: Path, load: sy.Workload) -> None:
    captures = Captures(1e9, tmp_path / "captures.sqlite")
    captures.put("lenet_caffe", None, None, load)
    assert captures.get("lenet_caffe", None, None) is None


def test_another_torch_is_another_key(
    tmp_path: Path, load: sy.Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    captures = Captures(LATER, tmp_path / "captures.sqlite")
    captures.put("lenet_caffe", None, None, load)
    other = tmp_path / "torch"
    other.mkdir()
    (other / "__init__.py").touch()
    (other / "version.py").write_text("__version__ = '9.9'\n")
    found = ModuleSpec("torch", None, origin=str(other / "__init__.py"))
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: found)
    assert captures.get("lenet_caffe", None, None) is None
    captures.put("lenet_caffe", None, None, load)
    assert captures.get("lenet_caffe", None, None) == load
    (other / "version.py").unlink()
    assert captures.get("lenet_caffe", None, None) is None


def test_the_digest_sees_every_change(tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "net.py").write_text("channels = 64\n")
    (tmp_path / "zoo" / "net.csv").write_text("net,1\n")
    seen = {package_digest(tmp_path)}
    times = (tmp_path / "zoo" / "net.py").stat()

    (tmp_path / "zoo" / "net.py").write_text("channels = 32\n")  # same size, same time
    os.utime(tmp_path / "zoo" / "net.py", ns=(times.st_atime_ns, times.st_mtime_ns))
    seen.add(package_digest(tmp_path))
    (tmp_path / "zoo" / "net.csv").write_text("net,2\n")
    seen.add(package_digest(tmp_path))
    (tmp_path / "zoo" / "net.py").rename(tmp_path / "zoo" / "new.py")
    seen.add(package_digest(tmp_path))
    (tmp_path / "zoo" / "more.py").touch()
    seen.add(package_digest(tmp_path))
    assert len(seen) == 5

    (tmp_path / "zoo" / "__pycache__").mkdir()
    (tmp_path / "zoo" / "__pycache__" / "net.pyc").write_text("compiled")
    assert package_digest(tmp_path) in seen


def test_damage_is_said_and_captured_anew(tmp_path: Path, load: sy.Workload) -> None:
    file = tmp_path / "captures.sqlite"
    Captures(LATER, file).put("lenet_caffe", None, None, load)
    with closing(sqlite3.connect(file)) as base, base:
        base.execute("UPDATE captures SET answer = substr(answer, 1, 500) || 'x'")
    damaged = Captures(LATER, file)
    assert damaged.get("lenet_caffe", None, None) is None
    assert damaged.notes == ["some kept captures were damaged and are found anew"]
    # a right checksum over something that is no workload
    for text in ("!", "c$@&C", "\x00é"):
        Kept(file, "captures").put(room._key("lenet_caffe", None, None), text)
        wrong = Captures(LATER, file)
        assert wrong.get("lenet_caffe", None, None) is None
        assert wrong.notes == ["the kept capture of lenet_caffe could not be read and is made anew"]
    wrong.put("lenet_caffe", None, None, load)
    assert wrong.get("lenet_caffe", None, None) == load


def test_the_oldest_go(tmp_path: Path) -> None:
    few = Kept(tmp_path / "file", "captures", most=3)
    for k in range(7):
        few.put(f"key{k}", str(k))
    assert few.all() == {"key4": "4", "key5": "5", "key6": "6"}
    few.put("key6", "again")
    assert few.get(["key6"]) == {"key6": "again"}


# ---- whole processes -----------------------------------------------------------------------------

SCRIPT = (
    "import sys, time; from steelyard.cli import run; code = run(sys.argv[1:], begun=time.time() + 1e6);"
    "print(*[m for m in ('torch', 'numba', 'steelyard.zoo') if m in sys.modules], file=sys.stderr);"
    "sys.exit(code)"
)


def program(folder: Path, *args: str) -> tuple[str, str]:
    """What a process with a copy of the package prints, on stdout and stderr."""
    env = os.environ | {
        "PYTHONPATH": str(folder), "STEELYARD_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *args], capture_output=True, text=True, env=env, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    package = Path(sy.__file__).parent
    shutil.copytree(package, tmp_path / "steelyard", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_second_time_needs_neither_torch_nor_the_zoo(copy: Path) -> None:
    first, loaded = program(copy, "cost", "lenet_caffe", "--json")
    assert "torch" in loaded
    assert program(copy, "cost", "lenet_caffe", "--json") == (first, "\n")
    roof = program(copy, "roofline", "lenet_caffe", "--device", "tpu_v1", "--json")
    assert roof[1] == "\n" and json.loads(roof[0])["workload"] == "lenet_caffe"
    assert program(copy, "systolic", "lenet_caffe", "--array", "8x8")[1] == "\n"


@pytest.mark.slow
def test_what_changes_the_capture_is_captured_anew(copy: Path) -> None:
    ask = ("cost", "lenet_caffe", "--json")
    macs = json.loads(program(copy, *ask)[0])["total"]["macs"]
    assert program(copy, *ask)[1] == "\n"
    assert "torch" in program(copy, *ask, "--fresh")[1]
    assert "torch" in program(copy, *ask, "--batch", "2")[1]
    assert program(copy, *ask, "--batch", "2")[1] == "\n"
    # a network of the zoo is edited
    file = next(
        path for path in copy.glob("steelyard/zoo/*.py") if "class LeNet" in path.read_text()
    )
    text = file.read_text()
    file.write_text(text.replace("500", "400"))
    out, loaded = program(copy, *ask)
    assert "torch" in loaded and json.loads(out)["total"]["macs"] < macs
    # and put back: what was kept before is right again
    file.write_text(text)
    out, loaded = program(copy, *ask)
    assert loaded == "\n" and json.loads(out)["total"]["macs"] == macs


@pytest.mark.slow
def test_code_of_others_is_not_trusted(copy: Path) -> None:
    (copy / "mine.py").write_text("import torch\nbuild = lambda: torch.nn.Linear(28, 28)\n")
    shape = ("--input", "1x1x28x28")
    program(copy, "compare", "mine:build", "lenet_caffe", *shape)
    assert not (copy / "cache" / "captures.sqlite").exists()
    program(copy, "compare", "lenet_caffe", "lenet_caffe", *shape)
    assert (copy / "cache" / "captures.sqlite").exists()


@pytest.mark.slow
def test_estimate_knows_all_the_second_time(copy: Path) -> None:
    ask = ("estimate", "lenet_caffe", "--device", "eyeriss")
    first, loaded = program(copy, *ask)
    assert "torch" in loaded and "numba" in loaded
    second, loaded = program(copy, *ask)
    assert loaded == "\n"
    assert "0 known before" in first and "4 known before" in second
    assert second.split("4 known before")[0] == first.split("0 known before")[0]
