"""A Ray cluster on this machine's loopback addresses, each of which is a node, for the tests that need one."""

from __future__ import annotations

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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HEAD, OTHER = "127.0.0.2", "127.0.0.3"


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


def wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection((HEAD, port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"nothing listens at {HEAD}:{port}")


@contextmanager
def two_nodes(modules: Path) -> Iterator[Cluster]:
    """A head and one more node, of a core each, who find modules in a folder."""
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # sockets in it allow no long path
    env = os.environ | {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(modules),
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
