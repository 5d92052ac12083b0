"""Engines on this machine: results once each, killed processes' jobs again, and nobody left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from slow_work import double, fatal, runs

from steelyard.errors import BackendError, MissingExtraError, UsageError
from steelyard.hardware.engines import on_processes, on_ray

JOBS = {f"j{k}": k for k in range(6)}
DOUBLED = {f"j{k}": 2 * k for k in range(6)}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes")


def work(folder: Path, seconds: float = 0.0, victim: int = -1) -> partial[int]:
    return partial(double, str(folder), seconds, victim)


def test_one_process_does_it_here(tmp_path: Path) -> None:
    found = list(on_processes(work(tmp_path), JOBS, 1))
    assert (len(found), dict(found)) == (6, DOUBLED)
    assert {path.name.split(".")[1] for path in tmp_path.iterdir()} == {str(os.getpid())}


def test_a_killed_worker_s_job_is_run_again(tmp_path: Path) -> None:
    found = list(on_processes(work(tmp_path, 0.01, victim=1), JOBS, 2))
    assert (len(found), dict(found)) == (6, DOUBLED)
    ran = runs(tmp_path)
    assert ran[1] == 2
    # what ran beside it is run again if its result was not there yet
    assert sum(ran.values()) <= 8


@pytest.mark.slow
def test_a_job_that_ends_every_process_is_given_up() -> None:
    with pytest.raises(BackendError, match="killed 3 times with 2 jobs left") as error:
        list(on_processes(fatal, {"a": 1, "b": 2}, 2))
    assert "--workers 1" in str(error.value)


def test_who_stops_asking_waits_for_nobody(tmp_path: Path) -> None:
    results = on_processes(work(tmp_path, 60.0), JOBS, 2)
    assert next(results) == ("j0", 0)
    begun = time.monotonic()
    results.close()
    assert time.monotonic() - begun < 10
    assert alive(workers_in(tmp_path)) == set()


def workers_in(folder: Path) -> set[int]:
    return {int(path.name.split(".")[1]) for path in folder.iterdir()}


def alive(pids: set[int]) -> set[int]:
    found = set()
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, 0)
            found.add(pid)
    return found


OWNER = """
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from slow_work import double
from steelyard.hardware.engines import on_processes
if __name__ == "__main__":
    for name, result in on_processes(partial(double, sys.argv[1], 60.0, -1), {"a": 0, "b": 1, "c": 2}, 2):
        print(name, flush=True)
"""


def test_workers_of_a_killed_process_end(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    owner = subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"a\n"
    until(lambda: len(runs(folder)) == 3)
    workers = workers_in(folder)
    assert alive(workers) == workers
    owner.kill()
    owner.communicate()
    until(lambda: not alive(workers))


def until(true: Callable[[], bool]) -> None:
    for _ in range(300):
        if true():
            return
        time.sleep(0.05)
    raise TimeoutError


def test_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="the engine ray needs the package ray") as error:
        list(on_ray(work(tmp_path), JOBS))
    assert error.value.hint == "pip install 'steelyard[distributed]'"


@pytest.mark.parametrize("address", ["", "remote", "http://head:1", "head", "ray://head", "a b:1"])
def test_no_address_of_a_cluster(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected: auto, local, HOST:PORT or ray://HOST:PORT"):
        list(on_ray(work(tmp_path), JOBS, address))
