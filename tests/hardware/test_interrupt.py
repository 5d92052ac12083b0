"""Estimates and sweeps that are interrupted, asked to end, or killed: what is done is kept, nobody is left behind."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

ESTIMATE = ("estimate", "lenet_caffe", "--device", "eyeriss", "--json")
SWEEP = (*ESTIMATE[:3], "shidiannao_like", "--json", "--workers", "2",
         "--sweep", "x.size=2,4,8", "--sweep", "nbin_bytes=16KiB..64KiB", "--sweep", "dataflow=OS-A,WS")  # fmt: skip
POINTS = 18
INTERRUPTED = "what is done is kept: the same command goes on from there\ninterrupted\n"


def start(cache: Path, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from steelyard.cli import main; main()", *args],
        env=os.environ | {"STEELYARD_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def result(cache: Path, *args: str) -> dict:
    process = start(cache, *args)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    return json.loads(out)


def kept(file: Path, table: str) -> int:
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as base:
            return int(base.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    except sqlite3.Error:
        return 0


def until(true: Callable[[], object], seconds: float = 120.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


EXITING = 0x4
"""PF_EXITING of linux/sched.h: a process that has ended and is being cleared away."""


def session(leader: int) -> list[str]:
    """The command lines of all processes of a session that live."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, *facts = (folder / "stat").read_text().rpartition(")")[2].split()
            sid, flags = int(facts[2]), int(facts[5])
            if sid == leader and state != "Z" and not flags & EXITING:
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, INTERRUPTED), (signal.SIGTERM, 143, "")],
)
def test_an_estimate_goes_on_where_it_was_stopped(
    tmp_path: Path, number: int, code: int, said: str
) -> None:
    file = tmp_path / "mappings.sqlite"
    process = start(tmp_path, *ESTIMATE)
    until(lambda: kept(file, "mappings") >= 1)
    os.killpg(process.pid, number)  # as a terminal does: to all of them
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (code, "", said)
    assert session(process.pid) == []
    done = kept(file, "mappings")
    assert 1 <= done < 4
    again = result(tmp_path, *ESTIMATE)
    assert (again["problems"], again["searched"]) == (4, 4 - done)
    whole = result(tmp_path / "other", *ESTIMATE)
    assert again["layers"] == whole["layers"]


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, INTERRUPTED), (signal.SIGTERM, 143, "")],
)
def test_a_sweep_goes_on_where_it_was_stopped(
    tmp_path: Path, number: int, code: int, said: str
) -> None:
    file = tmp_path / "sweeps.sqlite"
    process = start(tmp_path, *SWEEP)
    until(lambda: kept(file, "points") >= 2)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.terminate()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (code, "", said)
    assert session(process.pid) == []
    done = kept(file, "points")
    assert 2 <= done < POINTS
    assert result(tmp_path, *SWEEP)["solved"] == POINTS - done


def test_a_sweep_that_is_killed_again_and_again(tmp_path: Path) -> None:
    file = tmp_path / "sweeps.sqlite"
    with closing(sqlite3.connect(file)) as base, base:
        base.execute("CREATE TABLE points (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        base.execute("CREATE TABLE log (key TEXT)")
        base.execute(
            "CREATE TRIGGER writes AFTER INSERT ON points BEGIN INSERT INTO log VALUES (new.key); END"
        )
    for _ in range(4):
        before = kept(file, "points")
        process = start(tmp_path, *SWEEP)
        until(lambda before=before: kept(file, "points") > before or before == POINTS)
        time.sleep(random.random())
        process.kill()
        process.communicate()
        until(lambda process=process: not session(process.pid), 20)
    found = result(tmp_path, *SWEEP)
    assert kept(file, "log") == kept(file, "points") == POINTS == len(found["points"])
    assert found["points"] == result(tmp_path / "other", *SWEEP)["points"]


def test_two_estimates_share_one_cache(tmp_path: Path) -> None:
    processes = [start(tmp_path, *ESTIMATE) for _ in range(2)]
    outcomes = [process.communicate(timeout=300) for process in processes]
    assert [
        (process.returncode, err) for process, (_, err) in zip(processes, outcomes, strict=True)
    ] == [(0, "")] * 2
    one, two = (json.loads(out) for out, _ in outcomes)
    assert one["layers"] == two["layers"]
    assert one["notes"] == two["notes"] == []
    assert result(tmp_path, *ESTIMATE)["searched"] == 0
