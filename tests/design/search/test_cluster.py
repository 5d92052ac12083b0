"""Searches on a Ray cluster of two nodes on loopback addresses: this machine's trials, nothing lost, nothing twice."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ray_nodes import HEAD, Cluster, free_port, two_nodes
from stored_trials import stored_trials

HERE = Path(__file__).parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of Linux only"),
]

SEARCH = """
import json, sys
import steelyard as sy
from small import Noted, tiny
from steelyard.design.search.strategies import STRATEGIES, Evolution
if __name__ == "__main__":
    # a small population, so that few trials are enough to learn from
    sys.modules["steelyard.design.search.loop"].STRATEGIES = {
        "evolution": lambda space, seed, objectives, trials: Evolution(space, seed, population=6, sample=3)
    }
    given = json.loads(sys.argv[1])
    space = Noted(given.pop("folder"), given.pop("victim", -1)) if "folder" in given else tiny()
    found = sy.search(space, strategy="evolution", seed=3, workers=2, **given)
    data = found.to_dict()
    for trial in data["trials"]:
        del trial["seconds"]
    print(json.dumps(data))
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with two_nodes(HERE) as made:
        yield made


def found(cluster: Cluster, **given: object) -> dict:
    done = cluster.run("-c", SEARCH, json.dumps(given))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_cluster_tries_what_this_machine_tries(cluster: Cluster) -> None:
    given = {"objectives": "macs,energy_mj@eyeriss", "constraints": "params<=20k", "trials": 24}
    here = found(cluster, **given)
    assert [trial["number"] for trial in here["trials"]] == list(range(24))
    for address in (f"{HEAD}:{cluster.port}", f"ray://{HEAD}:{cluster.client_port}"):
        assert found(cluster, **given, engine="ray", address=address) == here


def test_the_verb(cluster: Cluster) -> None:
    line = (
        "search",
        "digits_mobile",
        "--objective",
        "macs,params",
        "--trials",
        "8",
        "--seed",
        "1",
        "--workers",
        "2",
    )
    verb = ("-c", "from steelyard.cli import main; main()", *line, "--json")
    here = cluster.run(*verb)
    there = cluster.run(*verb, "--engine", "ray", "--address", f"{HEAD}:{cluster.port}")
    assert (there.returncode, there.stderr) == (0, "")
    texts = [[trial["key"] for trial in json.loads(run.stdout)["trials"]] for run in (here, there)]
    assert texts[0] == texts[1]
    lost = cluster.run(*verb, "--engine", "ray", "--address", f"{HEAD}:{free_port()}")
    assert lost.returncode == 4
    assert "no Ray cluster answers" in lost.stderr


def test_a_network_whose_process_is_killed_again_and_again_is_a_failed_trial(
    cluster: Cluster, tmp_path: Path
) -> None:
    address = f"{HEAD}:{cluster.port}"
    given = {"objectives": "params", "trials": 14, "folder": str(tmp_path), "victim": 3}
    trials = found(cluster, **given, engine="ray", address=address)["trials"]
    first = {trial["key"]: trial for trial in reversed(trials)}
    assert first["3"]["state"] == "failed"
    assert "was killed again and again" in first["3"]["reason"]
    assert all(trial["state"] == "done" for key, trial in first.items() if key != "3")


def test_a_killed_node_loses_nothing_and_counts_nothing_twice(
    cluster: Cluster, tmp_path: Path
) -> None:
    given = {"objectives": "params", "trials": 20}
    (tmp_path / "here").mkdir()
    here = found(cluster, **given, folder=str(tmp_path / "here"))
    address, folder, store = f"{HEAD}:{cluster.port}", tmp_path / "there", tmp_path / "s.db"
    folder.mkdir()
    cluster.start(f"--address={address}", "--node-ip-address=127.0.0.4")
    cluster.wait_for_nodes()
    given |= {"folder": str(folder), "engine": "ray", "address": address, "store": str(store)}
    search = subprocess.Popen(
        [sys.executable, "-c", SEARCH, json.dumps(given)],
        env=cluster.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    while search.poll() is None and not (
        stored_trials(store) >= 3 and any(folder.glob("127.0.0.4.*"))
    ):
        time.sleep(0.05)
    assert search.poll() is None
    lost = cluster.nodes.pop()
    os.killpg(lost.pid, signal.SIGKILL)
    lost.wait()
    out, _ = search.communicate(timeout=240)
    data = json.loads(out.splitlines()[-1])
    assert data["trials"] == here["trials"]
    assert stored_trials(store) == 20
