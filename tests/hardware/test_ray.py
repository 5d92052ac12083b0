"""Sweeps on a Ray cluster of two nodes on this machine's loopback addresses: same numbers, nothing lost or twice."""

import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from slow_work import runs

HERE = Path(__file__).parent
HEAD, OTHER = "127.0.0.2", "127.0.0.3"
SWEEP = ("estimate", "lenet_caffe", "--device", "shidiannao_like", "--json", "-q",
         "--sweep", "x.size=4,8", "--sweep", "nbin_bytes=32KiB..64KiB", "--sweep", "dataflow=OS-A,WS")  # fmt: skip
POINTS = 8

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of Linux only"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HEAD, 0))
        return int(probe.getsockname()[1])


@dataclass
class Cluster:
    env: dict[str, str]
    port: int
    client_port: int
    folder: Path
    nodes: list[subprocess.Popen[bytes]]

    def start(self, *options: str) -> None:
        """A node; `--block` ties its processes to the one that we hold."""
        command = ["ray", "start", "--block", "--num-cpus=1", "--object-store-memory=80000000"]
        with (self.folder / f"node{len(self.nodes)}.log").open("wb") as log:
            node = subprocess.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", *command[1:], *options],
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.nodes.append(node)

    def wait_for_nodes(self) -> None:
        code = "import ray,sys,time;ray.init(sys.argv[1],log_to_driver=False)\n" + (
            "while ray.cluster_resources().get('CPU',0)<int(sys.argv[2]):time.sleep(.1)"
        )
        done = self.run("-c", code, f"{HEAD}:{self.port}", str(len(self.nodes)))
        assert done.returncode == 0, done.stderr

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *args],
            env=self.env | env,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # sockets in it allow no long path
    env = os.environ | {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(HERE),
        "STEELYARD_CACHE": str(folder / "workers"),
    }
    made = Cluster(env, free_port(), free_port(), folder, [])
    try:
        made.start(
            "--head",
            f"--node-ip-address={HEAD}",
            f"--port={made.port}",
            f"--ray-client-server-port={made.client_port}",
            "--min-worker-port=0",
            "--max-worker-port=0",
            "--include-dashboard=false",
            f"--temp-dir={folder}/ray",
        )
        wait_for(made.port)
        made.start(f"--address={HEAD}:{made.port}", f"--node-ip-address={OTHER}")
        wait_for(made.client_port)
        made.wait_for_nodes()
        yield made
    finally:
        for node in reversed(made.nodes):
            node.terminate()
        for node in made.nodes:
            try:
                node.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(node.pid, signal.SIGKILL)
                node.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection((HEAD, port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"nothing listens at {HEAD}:{port}")


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
