"""Jobs: begun, told, cancelled, ended with their server, and never lost."""

import asyncio
import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from steelyard.errors import SteelyardError
from steelyard.report import files
from steelyard.web import jobs as room
from steelyard.web.job_store import Job, JobStore
from steelyard.web.job_verbs import JOB, command_line
from steelyard.web.problems import Refused
from web.conftest import SMALL

Client = TestClient


def until(found: Callable[[], Any]) -> Any:
    """Waits for something; the test's own end is the limit."""
    while not (value := found()):
        time.sleep(0.05)
    return value


def line(**body: Any) -> list[str]:
    job = JOB.validate_python(body)
    sources = [{"source": what["model"]} for what in body.get("whats", [body.get("what")]) if what]
    return command_line(job, sources)


def test_command_lines_are_made_of_names_that_are_known() -> None:
    net = {"model": "lenet5"}
    assert line(verb="estimate", what=net, devices=["eyeriss"], objective="edp", budget_s=5.0) == [
        "estimate", "lenet5", "--device", "eyeriss", "--objective", "edp", "--json", "--budget", "5.0",
    ]  # fmt: skip
    assert line(verb="search", space="mnasnet", objectives=["macs"], constraints=[{"objective": "params", "most": 2.5e6}]) == [
        "search", "mnasnet", "--trials", "100", "--seed", "0", "--json", "--objective", "macs",
        "--store", "trials.sqlite", "--constraint", "params<=2500000",
    ]  # fmt: skip
    assert "1,2" in line(verb="measure", whats=[net], backends=["eager"], threads=[1, 2])


@pytest.mark.parametrize(
    "body",
    [
        {"verb": "train", "recipe": "x"},
        {"verb": "estimate", "what": {"model": "lenet5"}, "devices": ["/etc/passwd"]},
        {"verb": "estimate", "what": {"model": "lenet5"}, "devices": ["mine.yaml"]},
        {"verb": "estimate", "what": {"model": "lenet5"}, "devices": ["--yaml"]},
        {"verb": "estimate", "what": {"model": "lenet5"}, "devices": ["eyeriss"], "export": "/"},
        {"verb": "measure", "whats": [{"model": "lenet5"}], "backends": ["-o"]},
        {"verb": "measure", "whats": [{"model": "lenet5"}], "backends": ["os:system"]},
        {"verb": "search", "space": "../space", "objectives": ["macs"]},
        {"verb": "search", "space": "mnasnet.toml", "objectives": ["macs"]},
        {"verb": "search", "space": "mnasnet", "objectives": ["latency_ms@x.yaml"]},
        {"verb": "search", "space": "mnasnet", "objectives": ["latency_ms@nothing"]},
        {"verb": "search", "space": "mnasnet", "objectives": ["error"]},
        {"verb": "search", "space": "mnasnet", "objectives": ["macs"], "store": "/tmp/x"},
    ],
)
def test_paths_options_and_code_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises((ValidationError, SteelyardError)):
        line(**body)


def test_a_job_runs_and_tells_what_the_command_line_tells(client: Client) -> None:
    body = {"verb": "estimate", "what": {"model": "lenet5"}, "devices": ["eyeriss"]}
    made = client.post("/api/jobs", json=body)
    assert made.status_code == 201
    job = made.json()
    assert job["state"] in ("queued", "running")
    assert job["title"] == "estimate lenet5 on eyeriss"
    path = f"/api/jobs/{job['id']}"
    told = until(lambda: (now := client.get(path).json())["state"] in ("done", "failed") and now)
    assert told["state"] == "done", told
    assert told["result"]["schema"] == "steelyard.estimate/1"
    assert told["progress"]["share"] == 1.0
    assert client.get(f"{path}/report").status_code == 404
    assert client.delete(path).status_code == 200
    assert client.get(path).status_code == 404


def test_a_job_that_waits_is_cancelled(client: Client) -> None:
    body = {"verb": "report", "whats": [{"model": "lenet5"}], "devices": []}
    job = client.post("/api/jobs", json=body).json()
    assert client.delete(f"/api/jobs/{job['id']}").json()["state"] in ("cancelled", "done")
    client.delete(f"/api/jobs/{job['id']}")


def test_why_a_job_failed_is_the_last_error_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("warning: slow\nerror: no such network\n  try: steelyard models\n")
    assert room._why(log, 3) == "no such network\n  try: steelyard models"
    assert room._why(tmp_path / "none", -9).startswith("its process was ended by SIGKILL; ")
    assert room._why(tmp_path / "none", -11) == "its process was ended by SIGSEGV"
    assert room._why(tmp_path / "none", 70) == "its process ended with 70"


def a_job(name: str, **more: Any) -> Job:
    return Job(name, "estimate", "a job", {}, ("doctor",), created="2026-01-01", **more)


def test_a_killed_servers_jobs_are_marked_and_their_processes_ended(tmp_path: Path) -> None:
    left = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True
    )
    other = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True
    )
    store = JobStore(tmp_path)
    began = until(lambda: room._began(left.pid)) if Path("/proc/self/stat").exists() else ""
    store.add(a_job("a" * 16, state="running", process=(left.pid, began)), {})
    # a process that has the number of one that is gone
    store.add(a_job("b" * 16, state="running", process=(other.pid, "1")), {})
    store.add(a_job("c" * 16, state="done"), {})
    (tmp_path / ("c" * 16) / "result.json").write_text('{"kept": true}')
    store.add(a_job("d" * 16), {})
    (tmp_path / ("e" * 16)).mkdir()
    (tmp_path / ("e" * 16) / "job.json").write_text('{"id": "eeee')  # damaged by the disk

    async def run() -> dict[str, dict[str, Any]]:
        jobs = room.Jobs(tmp_path, SMALL)
        jobs.start()
        while jobs.find("d" * 16).state == "queued":  # goes on with what waited
            await asyncio.sleep(0.05)
        told = {job.id[0]: jobs.store.told(job, fully=True) for job in jobs.store.all()}
        await jobs.close()
        return told

    try:
        told = asyncio.run(run())
        assert told["a"]["state"] == told["b"]["state"] == "interrupted"
        assert "server ended" in told["a"]["message"]
        assert told["c"]["result"] == {"kept": True}
        assert told["e"]["message"] == "its file is damaged"
        if began:
            assert left.wait() < 0
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def test_a_full_disk_begins_no_job_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = JobStore(tmp_path)
    kept = a_job("a" * 16, state="running")
    store.add(kept, {})

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_write", full)
    with pytest.raises(Refused, match="no room on the disk") as refused:
        store.add(a_job("b" * 16), {})
    assert refused.value.status == 507
    store.change(replace(kept, state="done"))
    assert store.all() == [replace(kept, state="done")]
    monkeypatch.undo()
    assert not (tmp_path / ("b" * 16)).exists()
    store.add(a_job("c" * 16), {})
    store.change(a_job("c" * 16, state="running"))  # the next occasion writes the other, too
    again = JobStore(tmp_path)
    again.open()
    assert {job.id[0]: job.state for job in again.all()} == {"a": "done", "c": "running"}


def test_too_many_wait(tmp_path: Path) -> None:
    async def run() -> None:
        jobs = room.Jobs(tmp_path, SMALL)  # not started: all wait
        for _ in range(SMALL.queued):
            jobs.submit("estimate", "", {}, [], {})
        jobs.submit("estimate", "", {}, [], {})

    with pytest.raises(Refused, match="wait already") as refused:
        asyncio.run(run())
    assert refused.value.status == 429


def test_the_log_is_inert(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    store.add(a_job("a" * 16, state="failed"), {})
    (tmp_path / ("a" * 16) / "log.txt").write_bytes(b"\x1b]0;x\x07" + b"\xff" * 20_000 + b"\nend")
    (tmp_path / ("a" * 16) / "result.json").write_text("{")
    (tmp_path / ("a" * 16) / "progress.json").write_text(json.dumps({"share": 7, "words": 5}))
    told = store.told(store.all()[0], fully=True)
    assert told["log"].endswith("\nend")
    assert "\x1b" not in told["log"]
    assert told["unavailable"] == "the result is damaged"
    assert told["progress"] == {"share": 1.0, "words": "5"}
