"""Jobs that need more memory than they may are ended, in words, and nothing else is."""

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from steelyard.errors import UsageError
from steelyard.web.app import create_app
from steelyard.web.job_memory import exceeded, half_of_memory, held_bytes, limits_hold
from steelyard.web.settings import Settings
from web.conftest import BASE, SMALL, TOKEN

MB = 10**6
pytestmark = pytest.mark.skipif(not limits_hold(), reason="no /proc tells what processes hold")

HOLDS = (
    "x = b'x' * int(__import__('sys').argv[1]); print(flush=True); __import__('time').sleep(3600)"
)
BEGINS = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLDS!r}, sys.argv[1]])"


@pytest.fixture
def session() -> Iterator[subprocess.Popen[bytes]]:
    """A process of little memory that has begun one which holds 150 MB."""
    line = [sys.executable, "-c", BEGINS, str(150 * MB)]
    process = subprocess.Popen(line, start_new_session=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_what_all_processes_of_a_job_hold_is_summed(session: subprocess.Popen[bytes]) -> None:
    held = held_bytes(session.pid)
    assert held is not None
    assert 150 * MB <= held < 220 * MB  # two interpreters beside it
    asyncio.run(exceeded(session.pid, 150 * MB))
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(exceeded(session.pid, 220 * MB), 0.5))


def test_a_limit_is_a_size_that_can_work() -> None:
    from steelyard.cli.serve import command

    with pytest.raises(UsageError, match="512MB at least"):
        command.main(["--job-memory", "1MB"], standalone_mode=False)
    assert half_of_memory() > 100 * MB


@pytest.mark.slow
def test_a_job_that_needs_too_much_is_ended_and_the_next_one_runs(tmp_path: Path) -> None:
    limits = dataclasses.replace(SMALL, job_memory_bytes=600 * MB)
    app = create_app(Settings(tmp_path, TOKEN, workers=1, limits=limits))
    with TestClient(app, BASE, headers={"X-Steelyard-Token": TOKEN}) as client:
        assert client.get("/api/about").json()["limits"]["job_memory_bytes"] == 600 * MB
        # 138 M parameters of 4 bytes, and images
        large = {"verb": "measure", "whats": [{"model": "vgg16"}], "batches": [16]}
        small = {"verb": "estimate", "what": {"model": "lenet5"}, "devices": ["eyeriss"]}
        paths = [
            f"/api/jobs/{client.post('/api/jobs', json=job).json()['id']}" for job in (large, small)
        ]
        told = []
        for path in paths:
            while (now := client.get(path).json())["state"] in ("queued", "running"):
                time.sleep(0.1)
            told.append(now)
        assert [job["state"] for job in told] == ["failed", "done"]
        assert "needed more than 600 MB of memory" in told[0]["message"]
        assert "steelyard serve --job-memory" in told[0]["message"]
        assert client.post("/api/cost", json={"what": {"model": "lenet5"}}).status_code == 200
