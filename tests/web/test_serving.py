"""Real servers: one a store, killed in the middle of a job, fuzzed from outside."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from web.conftest import Served, served

pytestmark = pytest.mark.slow

SEARCH = {"verb": "search", "space": "mnasnet", "objectives": ["macs"], "trials": 20_000}


def asked(server: Served) -> httpx2.Client:
    headers = {"X-Steelyard-Token": server.token}
    return httpx2.Client(base_url=server.url, headers=headers, timeout=300)


def running(client: httpx2.Client, job: str) -> None:
    while client.get(f"/api/jobs/{job}").json()["progress"]["share"] is None:
        time.sleep(0.2)


def alive(folder: Path) -> bool:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return any("steelyard.web.runner" in line for line in found.stdout.splitlines()) and any(
        Path(link).resolve() == folder.resolve() for link in Path("/proc").glob("[0-9]*/cwd")
    )


def test_a_second_server_is_refused_the_store_and_the_first_goes_on(tmp_path: Path) -> None:
    with served(tmp_path) as first:
        line = [sys.executable, "-m", "steelyard", "serve", "--port", "0", "--no-browser"]
        second = subprocess.run(
            [*line, "--store", str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert second.returncode == 2
        assert "another process" in second.stderr
        assert "steelyard serve --store" in second.stderr
        with asked(first) as client:
            assert client.get("/api/about").status_code == 200
        port = first.url.rpartition(":")[2]
        taken = subprocess.run(
            [*line[:-2], port, "--no-browser", "--store", str(tmp_path / "b")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert taken.returncode == 2
        assert "--port 0" in taken.stderr


def test_killed_in_the_middle_of_a_job_and_started_again(tmp_path: Path) -> None:
    with served(tmp_path) as first, asked(first) as client:
        job = client.post("/api/jobs", json=SEARCH).json()["id"]
        waits = client.post(
            "/api/jobs", json={"verb": "report", "whats": [{"model": "lenet5"}]}
        ).json()["id"]
        running(client, job)
        token = first.token
        first.kill()
    while alive(tmp_path / "jobs" / job):
        time.sleep(0.2)  # it ends by itself, without a server that tells it to
    with served(tmp_path) as second, asked(second) as client:
        assert second.token == token  # open pages go on
        found = client.get(f"/api/jobs/{job}").json()
        assert found["state"] == "interrupted"
        assert found["arguments"]["space"] == "mnasnet"
        while (now := client.get(f"/api/jobs/{waits}").json())["state"] in ("queued", "running"):
            time.sleep(0.2)
        assert now["state"] == "done"
        assert "lenet5" in client.get(f"/api/jobs/{waits}/report").text
        assert second.interrupt() in (0, 130)


def test_a_running_job_is_cancelled_and_ctrl_c_interrupts_one(tmp_path: Path) -> None:
    with served(tmp_path) as server, asked(server) as client:
        for ending in ("cancelled", "interrupted"):
            job = client.post("/api/jobs", json=SEARCH).json()["id"]
            running(client, job)
            if ending == "cancelled":
                assert client.delete(f"/api/jobs/{job}").json()["state"] == "cancelled"
            else:
                server.interrupt()
            assert not alive(tmp_path / "jobs" / job)
        assert '"interrupted"' in (tmp_path / "jobs" / job / "job.json").read_text()


def test_a_process_that_answers_is_ended_when_it_takes_too_long(tmp_path: Path) -> None:
    with served(tmp_path) as server, asked(server) as client:
        what = {"model": "resnet50", "knobs": {"blocks": [1000, 1000, 1000, 1000]}}
        slow = client.post("/api/cost", json={"what": what})
        assert slow.status_code in (200, 422)
        assert client.post("/api/cost", json={"what": {"model": "lenet5"}}).status_code == 200


def test_no_request_that_the_description_allows_or_forbids_breaks_the_server(
    tmp_path: Path,
) -> None:
    tool = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip("schemathesis is not installed")
    with served(tmp_path) as server:
        found = subprocess.run(
            [
                tool, "run", f"{server.url}/api/openapi.json", "--header", f"X-Steelyard-Token: {server.token}",
                "--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "1", "--no-color",
                # what a description cannot say (which names there are) is refused with 404 and 422
                "--exclude-checks", "positive_data_acceptance", "--request-timeout", "120",
                "--suppress-health-check", "all",
            ],
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
