"""Without numba the mapper finds the same mappings, slowly, and says what would make it fast."""

import json
import subprocess
import sys
from pathlib import Path

from steelyard.hardware.device import Accelerator, Array, Axis, Link, Memory
from steelyard.workload import Layer, LoopNest, Workload

TINY = Accelerator(
    "tiny",
    (
        Memory("dram", read_pj=200, write_pj=200, read_bandwidth=2, write_bandwidth=1),
        Memory("buffer", capacity_bytes=2048, read_pj=6, write_pj=6),
        Array("pes", (Axis("x", 3, {"I": Link("multicast", 2)}),)),
        Memory("spad", capacity_bytes=64, read_pj=1, write_pj=1),
    ),
    mac_pj=1,
)
CONV = LoopNest(1, 1, 2, 3, (4, 1), (3, 1), (4, 1), (1, 1), (1, 1), ((1, 1), (0, 0)))
LOAD = Workload(
    "net",
    (
        Layer("conv", "conv", "aten.conv2d", nests=(CONV,)),
        Layer("fc", "linear", "aten.linear", nests=(LoopNest.linear(1, 12, 6),)),
    ),
    (),
)

PROGRAM = """
import json, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("numba", "llvmlite"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
if sys.argv[1] == "without":
    sys.meta_path.insert(0, Blocker())
sys.path.insert(0, sys.argv[2])
from test_without_numba import LOAD, TINY
from steelyard.hardware.estimate import estimate
from steelyard.hardware.mapper_kernels import COMPILED
assert COMPILED == (sys.argv[1] == "with")
assert ("numba" in sys.modules) == COMPILED
print(json.dumps(estimate(LOAD, TINY, cache=False).to_dict()))
"""


def _run(how: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_same_mappings_without_numba() -> None:
    compiled, plain = _run("with"), _run("without")
    assert compiled["notes"] == []
    assert plain["notes"] == [
        "numba is not installed, the search is about a hundred times slower: "
        "pip install 'steelyard[fast]'"
    ]
    assert compiled["layers"] == plain["layers"]
    assert compiled["total"] == plain["total"]
