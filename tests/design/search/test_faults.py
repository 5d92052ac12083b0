"""What may befall a search: stores torn, locked, without room; interrupts and kills with workers at work."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import steelyard as sy
from steelyard import _kept
from steelyard.design.search import SearchResult
from steelyard.errors import InputError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")

TRIALS = 6


def run(
    store: Path | None,
    trials: int = TRIALS,
    progress: Callable[[int, int, str], None] | None = None,
) -> SearchResult:
    return sy.search(
        "digits_mobile", "params", trials=trials, strategy="random", store=store, progress=progress
    )


@pytest.mark.parametrize("left", [0.3, 0.6, 0.95])
def test_a_torn_store_is_refused_and_left_alone(tmp_path: Path, left: float) -> None:
    store = tmp_path / "s.db"
    run(store)
    raw = store.read_bytes()
    store.write_bytes(torn := raw[: int(left * len(raw))])
    with pytest.raises(InputError, match=r"cannot use .*s\.db to keep trials: .*malformed"):
        run(store)
    assert store.read_bytes() == torn


def test_a_store_that_another_program_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_kept, "_WAIT_S", 0.05)
    store = tmp_path / "s.db"
    whole = run(None)
    with closing(sqlite3.connect(store, isolation_level=None)) as other:

        def hold(done: int, every: int, how: str) -> None:
            if done == 3:
                other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(InputError, match="database is locked") as error:
            run(store, progress=hold)
        assert "finished trials are kept" in str(error.value)
        with pytest.raises(InputError, match="database is locked"):
            run(store)
        other.execute("ROLLBACK")
    assert run(store).trials == whole.trials


def test_a_full_disk_keeps_what_is_finished(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(done: int, every: int, how: str) -> None:
        if done == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (store.stat().st_size - 1, before[1]))

    try:
        with pytest.raises(InputError, match=r"cannot use .*s\.db to keep trials") as error:
            run(store, progress=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "room on its disk" in str(error.value)
    told: list[int] = []
    found = run(store, progress=lambda done, every, how: told.append(done))
    assert told == [4, 5, 6]
    assert found.trials == run(None).trials


LINE = (
    "search",
    "digits_mobile",
    "--objective",
    "naswot,params",
    "--workers",
    "2",
    "--strategy",
    "random",
)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks /proc for child processes")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_search_that_is_ended_leaves_nobody_behind(tmp_path: Path, end: signal.Signals) -> None:
    """An interrupt goes to all processes, as from a terminal; the others to the one that searches."""
    store = tmp_path / "s.db"
    process = subprocess.Popen(
        [sys.executable, "-m", "steelyard", *LINE, "--trials", "5000", "--store", str(store)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    while process.poll() is None and kept(store) < 5:
        time.sleep(0.05)
    workers = children(process.pid)
    assert len(workers) >= 2
    (os.killpg if end == signal.SIGINT else os.kill)(process.pid, end)
    out, err = process.communicate()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
    assert process.returncode == codes[end]
    assert "Traceback" not in err
    if end == signal.SIGINT:
        assert f"finished trials are in {store}" in err
    assert out == ""
    there = kept(store)
    assert there >= 5
    found = sy.search(
        "digits_mobile", "naswot,params", workers=2, trials=there, strategy="random", store=store
    )
    assert [trial.number for trial in found.trials if trial.number < there] == list(range(there))


def children(pid: int) -> set[int]:
    words = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    return {int(word) for word in " ".join(words).split()}


def until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise TimeoutError


def kept(store: Path) -> int:
    """Trials in a store."""
    if not store.exists():
        return 0
    with closing(sqlite3.connect(store)) as base:
        try:
            query = "SELECT count(*) FROM trials WHERE key LIKE 'trial-%'"
            return int(base.execute(query).fetchone()[0])
        except sqlite3.OperationalError:
            return 0
