"""Sweeps on a Ray cluster of two nodes on this machine's loopback addresses: same numbers, nothing lost or twice."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slow_work import runs

from ray_nodes import HEAD, Cluster, free_port, two_nodes

HERE = Path(__file__).parent
SWEEP = ("estimate", "lenet_caffe", "--device", "shidiannao_like", "--json", "-q",
         "--sweep", "x.size=4,8", "--sweep", "nbin_bytes=32KiB..64KiB", "--sweep", "dataflow=OS-A,WS")  # fmt: skip
POINTS = 8

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of Linux only"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with two_nodes(HERE) as made:
        yield made


def steelyard(cluster: Cluster, *args: str, cache: str) -> dict:
    done = cluster.run(
        "-c", "from steelyard.cli import main; main()", *args,
        STEELYARD_CACHE=str(cluster.folder / cache),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_the_cluster_says_what_this_machine_says(cluster: Cluster) -> None:
    local = steelyard(cluster, *SWEEP, cache="local")
    assert local["solved"] == POINTS
    for address in (f"{HEAD}:{cluster.port}", f"ray://{HEAD}:{cluster.client_port}"):
        cache = f"of-{address[:3]}"
        found = steelyard(cluster, *SWEEP, "--engine", "ray", "--address", address, cache=cache)
        assert found == local
        # points are kept where the sweep was asked for
        again = steelyard(cluster, *SWEEP, cache=cache)
        assert again == local | {"solved": 0}
        shutil.rmtree(cluster.folder / "workers")  # the workers' mappings


DRIVER = """
import json, sys
from functools import partial
from slow_work import double
from steelyard.hardware.engines import on_ray
address, folder, seconds, victim, jobs = sys.argv[1:]
work = partial(double, folder, float(seconds), int(victim))
for name, result in on_ray(work, {f"j{k}": k for k in range(int(jobs))}, address):
    print(json.dumps([name, result]), flush=True)
"""


def results_in(text: str) -> list[list[object]]:
    # between them Ray says what was killed
    return [json.loads(line) for line in text.splitlines() if line.startswith('["')]


def test_a_killed_worker_s_job_is_run_again(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path
    address = f"{HEAD}:{cluster.port}"
    done = cluster.run("-c", DRIVER, address, str(folder), "0.05", "3", "12")
    results = results_in(done.stdout)
    assert sorted(results, key=lambda r: r[1]) == [[f"j{k}", 2 * k] for k in range(12)]
    assert runs(folder) == {k: 2 if k == 3 else 1 for k in range(12)}


def test_a_lost_machine_s_jobs_are_run_again(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path
    address = f"{HEAD}:{cluster.port}"
    cluster.start(f"--address={address}", "--node-ip-address=127.0.0.4")
    cluster.wait_for_nodes()
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, address, str(folder), "0.5", "-1", "18"],
        env=cluster.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout is not None
    results = [json.loads(driver.stdout.readline()) for _ in range(4)]
    assert driver.poll() is None  # they come while others are run
    lost = cluster.nodes.pop()
    os.killpg(lost.pid, signal.SIGKILL)
    lost.wait()
    out, _ = driver.communicate(timeout=150)
    results += results_in(out)
    assert sorted(results, key=lambda r: r[1]) == [[f"j{k}", 2 * k] for k in range(18)]
    assert sum(runs(folder).values()) in (18, 19)  # the one that was under way there


def test_errors_of_a_cluster(cluster: Cluster) -> None:
    sweep = (*SWEEP, "--engine", "ray", "--address")
    code = "from steelyard.cli import main; main()"
    done = cluster.run("-c", code, *sweep, f"{HEAD}:{free_port()}")
    assert done.returncode == 4
    assert "no Ray cluster answers" in done.stderr and "--address" in done.stderr
    done = cluster.run("-c", code, *sweep, f"ray://{HEAD}:{cluster.port}")  # no client's port
    assert done.returncode == 4


def test_a_cluster_of_its_own(tmp_path: Path) -> None:
    """In a network of its own, because Ray chooses the address itself."""
    alone = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system makes no network namespaces")
    command = [sys.executable, "-c", "from steelyard.cli import main; main()", *SWEEP]
    env = os.environ | {"STEELYARD_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    ray = ("--engine", "ray", "--address", "local", "--workers", "2")
    done = subprocess.run(
        [*alone, *command, *ray], env=env, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    points = json.loads(done.stdout)["points"]
    assert len(points) == POINTS
    assert all(point["energy_pj"] > 0 for point in points)
