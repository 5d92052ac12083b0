"""The mapper against ZigZag's on the same layers, device and costs; and alone on whole networks.

Run: ``python benchmarks/mapper.py [--layers NAME ...] [--parts fixed,free,networks]``. Writes results/mapper.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import steelyard as sy
from common import machine, markdown, publish
from steelyard.hardware.device import DIMENSIONS, OPERANDS, Accelerator, Array, Axis, Link, Memory
from steelyard.hardware.mapper import find_mapping
from steelyard.hardware.mapper_answer import MAPSPACES, Found, MapspaceKind
from steelyard.hardware.mapspace import Constraints
from steelyard.hardware.problem import Problem
from steelyard.workload import LoopNest
from zigzag_side import Answer, Unrolled, cost, kept, search
from zigzag_terms import Terms, terms

SHARED = {"I": Link("multicast"), "W": Link("multicast"), "O": Link("reduce")}


def device(along_x: tuple[str, ...], along_y: tuple[str, ...]) -> Accelerator:
    """What both tools model alike: energies relative to a register's, the accumulator's within the unit's."""
    return Accelerator(
        "both",
        (
            Memory("dram", read_pj=200, write_pj=200, read_bandwidth=4, write_bandwidth=4),
            Memory(
                "buffer", capacity_bytes=128 * 1024, read_pj=6, write_pj=6,
                read_bandwidth=16, write_bandwidth=16,
            ),
            Array("pes", (Axis("x", 16, SHARED, along_x), Axis("y", 16, SHARED, along_y))),
            Memory("registers", capacity_bytes=512),
        ),
        mac_pj=5,
    )  # fmt: skip


KEEP = Constraints(keep=(("buffer", OPERANDS),))
"""ZigZag passes by no memory; nor may we here."""

FIXED = device(("M",), ("C",))
FIXED_THERE: Unrolled = {"D1": ["K, 16"], "D2": ["C, 16"]}
FREE = device(("M", "G", "P"), ("C", "R", "Q"))

LAYERS = (
    ("alexnet", "conv2"), ("alexnet", "conv3"), ("alexnet", "fc6"), ("alexnet", "fc7"),
    ("resnet50", "conv1"), ("resnet50", "layer1.0.conv1"), ("resnet50", "layer1.0.conv2"),
    ("resnet50", "layer2.0.downsample.0"), ("resnet50", "layer3.1.conv1"),
    ("resnet50", "layer3.1.conv2"), ("resnet50", "layer4.1.conv2"), ("resnet50", "fc"),
    ("mobilenet_v2", "features.0.0"), ("mobilenet_v2", "features.3.block.1.0"),
    ("mobilenet_v2", "features.2.block.0.0"), ("mobilenet_v2", "features.15.block.0.0"),
    ("mobilenet_v2", "features.15.block.1.0"), ("mobilenet_v2", "classifier.1"),
)  # fmt: skip
FREE_LAYERS = (
    ("alexnet", "conv3"), ("alexnet", "fc7"), ("resnet50", "layer3.1.conv1"),
    ("mobilenet_v2", "features.0.0"), ("mobilenet_v2", "features.15.block.1.0"),
)  # fmt: skip
NETWORKS = ("alexnet", "resnet50", "mobilenet_v2")
LIMITS = (5, 6)


@dataclass(frozen=True)
class Row:
    """One layer: ZigZag's answers by limit, ours with its CPU seconds, both mappings in both models."""

    name: str
    nest: LoopNest
    theirs: dict[int, Answer]
    ours: Found
    ours_s: float
    their_terms: Terms
    our_terms: Terms

    def times(self, limit: int) -> float:
        """How many times faster we are."""
        return self.theirs[limit].cpu_s / self.ours_s

    @property
    def here(self) -> float:
        """Our mapping's energy to ZigZag's mapping's, both counted by us."""
        return self.our_terms.ours / self.their_terms.ours

    @property
    def there(self) -> float:
        """The same, both counted by ZigZag."""
        return self.our_terms.zigzag / self.their_terms.zigzag


def compare(
    name: str,
    nest: LoopNest,
    chip: Accelerator,
    limits: tuple[int, ...],
    there: Unrolled | None,
    mapspace: MapspaceKind,
) -> Row:
    """Both on one layer, ours before, between and after ZigZag's searches."""
    even = mapspace == "even"
    problem = Problem.of(nest)
    seconds: list[float] = []

    def ours() -> Found:
        begun = time.process_time()
        found = find_mapping(problem, chip, constraints=KEEP, mapspace=mapspace)
        seconds.append(time.process_time() - begun)
        return found

    found = ours()
    theirs = {}
    for limit in limits:
        # a limit below the number of loops is raised to it: the same search
        again = limit < max(limits) and loops(problem, there) >= max(limits)
        if not again:
            theirs[limit] = search(nest, chip, lpf_limit=limit, even=even, unrolled=there)
            ours()
    theirs = {limit: theirs.get(limit, theirs[max(limits)]) for limit in limits}
    best = theirs[max(limits)].found
    print(
        f"{name}, {mapspace}: {theirs[max(limits)].cpu_s:.1f} s, {median(seconds):.3f} s",
        file=sys.stderr,
    )
    return Row(
        name, nest, theirs, found, median(seconds), terms(best, problem, chip),
        terms(cost(nest, chip, found.mapping), problem, kept(chip, found.mapping)),
    )  # fmt: skip


def loops(problem: Problem, there: Unrolled | None) -> int:
    """Loops of more than one round beside the unrolled ones."""
    unrolled = {"M": 16, "C": 16} if there else {}
    return sum(problem.size(dim) > unrolled.get(dim, 1) for dim in DIMENSIONS)


def nests(wanted: tuple[tuple[str, str], ...]) -> dict[str, LoopNest]:
    """The layers by name of network and layer."""
    loads = {network: sy.capture(network) for network in dict.fromkeys(n for n, _ in wanted)}
    return {
        f"{network} {name}": next(
            layer.nests[0] for layer in loads[network].layers if layer.name == name
        )
        for network, name in wanted
    }


def size(nest: LoopNest) -> str:
    """A layer in a few words."""
    taps = "x".join(map(str, nest.kernel)) + (f"/{nest.stride[0]}" if nest.stride[0] > 1 else "")
    groups = f", {nest.G} groups" if nest.G > 1 else ""
    return f"{nest.C} to {nest.M}{groups}, {taps} on {'x'.join(map(str, nest.out))}"


def speed_table(rows: list[Row]) -> str:
    """Seconds and energies."""
    limits = tuple(rows[0].theirs)
    return markdown(
        ("layer", "", *(f"ZigZag, limit {n}, s" for n in limits), "mappings", "ours, s",
         *(f"times, limit {n}" for n in limits), "energy, our count", "energy, ZigZag's count"),
        (
            (r.name, size(r.nest), *(f"{r.theirs[n].cpu_s:.2f}" for n in limits),
             " / ".join(str(r.theirs[n].mappings) for n in limits), f"{r.ours_s:.3f}",
             *(f"{r.times(n):.0f}" for n in limits), f"{r.here:.4f}", f"{r.there:.4f}")
            for r in rows
        ),
        left=2,
    )  # fmt: skip


def terms_table(rows: list[Row]) -> str:
    """Where the two models differ, for both mappings."""
    header = ("layer", "mapping", "our count", "sums carried back", "windows moved whole", "rest", "ZigZag's count")  # fmt: skip
    lines = []
    for row in rows:
        for whose, t in (("ZigZag's", row.their_terms), ("ours", row.our_terms)):
            parts = (t.ours, t.carried, t.windows, t.rest, t.zigzag)
            lines.append((row.name, whose, *(f"{pj / 1e6:,.3f}" for pj in parts)))
    return markdown(header, lines, left=2)


def summary(rows: list[Row]) -> str:
    """What the tables say, in sentences."""
    ours = sum(r.ours_s for r in rows)
    lines = []
    for limit in rows[0].theirs:
        theirs = sum(r.theirs[limit].cpu_s for r in rows)
        rate = sum(r.theirs[limit].mappings for r in rows) / theirs
        each = sorted(r.times(limit) for r in rows)
        lines.append(
            f"- limit {limit}: ZigZag {theirs:.1f} s of CPU time ({rate:.0f} mappings a second), "
            f"ours {ours:.2f} s: {theirs / ours:.0f} times; by layer {each[0]:.0f} to {each[-1]:.0f}, "
            f"median {median(each):.0f}"
        )
    for word, ratios in (
        ("our count", [r.here for r in rows]),
        ("ZigZag's count", [r.there for r in rows]),
    ):
        lower = sum(ratio <= 1 + 1e-9 for ratio in ratios)
        lines.append(
            f"- energy by {word}: equal or lower in {lower} of {len(rows)} layers; "
            f"ratio {min(ratios):.4f} to {max(ratios):.4f}"
        )
    rest = max(abs(t.rest / t.zigzag) for r in rows for t in (r.their_terms, r.our_terms))
    proven = sum(r.ours.optimal for r in rows)
    lines.append(
        f"- unexplained by the terms: at most {rest:.1e} of an energy; ours proven optimal in "
        f"{proven} of {len(rows)} layers"
    )
    return "\n".join(lines)


CHILD = """
import json, resource, sys, time
import steelyard as sy
begun = time.perf_counter()
load = sy.capture(sys.argv[1])
captured = time.perf_counter() - begun
found = sy.estimate(load, "eyeriss", mapspace=sys.argv[2])
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([captured, found.seconds, used.ru_utime + used.ru_stime, found.problems, found.gap]))
"""


def networks_table() -> str:
    """Whole networks on the Eyeriss chip, each in processes of its own: nothing kept, and again."""
    lines = []
    asked = [(n, mapspace) for mapspace in MAPSPACES for n in NETWORKS]
    for network, mapspace in asked:
        with tempfile.TemporaryDirectory() as cache:
            for state in ("cold", "again") if mapspace == "even" else ("cold",):
                begun = time.perf_counter()
                output = _child(("-c", CHILD, network, mapspace), STEELYARD_CACHE=cache)
                wall = time.perf_counter() - begun
                captured, seconds, cpu, problems, gap = json.loads(output)
                lines.append(
                    (network, f"{mapspace}, {state}", problems, f"{seconds:.2f}", f"{captured:.2f}", f"{wall:.2f}",
                     f"{cpu:.2f}", f"{gap:.1g}")
                )  # fmt: skip
                print(*lines[-1], file=sys.stderr)
    header = ("network", "", "different layers", "estimate, s", "capture, s", "whole process, s", "its CPU time, s", "gap")  # fmt: skip
    return markdown(header, lines, left=2)


FIRST = """
import sys, time
sys.path.insert(0, "benchmarks")
from steelyard.hardware.mapper import find_mapping
from steelyard.hardware.problem import Problem
from steelyard.hardware.registry import device
begun = time.perf_counter()
find_mapping(Problem((1, 1, 4, 4, 1, 1, 1, 1)), device("eyeriss"))
print(time.perf_counter() - begun)
"""


def compilation() -> str:
    """Seconds of the first search with and without compiled kernels on disk."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = (float(_child(("-c", FIRST), NUMBA_CACHE_DIR=folder)) for _ in range(2))
    return (
        f"Compiling the kernels: once after an installation or an update, {first - second:.1f} s "
        f"(first search {first:.1f} s; in a later process {second:.2f} s)."
    )


def _child(arguments: tuple[str, ...], **settings: str) -> str:
    environment = {**os.environ, **settings}
    done = subprocess.run(
        (sys.executable, *arguments), env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


HEAD = """# The mapper beside ZigZag

ZigZag is `zigzag-dse` 3.9.1, driven by its own stages, one process. Both read the same layer, device and prices:
DRAM 200 and a buffer of 128 KiB 6 (pJ for 16 bits), 16 x 16 units with registers of 512 bytes, a
multiply-accumulate with its registers 5; every memory is passed through. In *even* mappings the tiles of all
operands in one memory begin at the same loop; in *uneven* ones, ZigZag's default, each at a loop of its own.

Ours is the search to the proof of the optimum, nothing kept from before, kernels compiled; median of runs before,
between and after ZigZag's. Seconds are CPU time of one process; load of the machine {load}. "limit" is ZigZag's
limit on loop factors (a limit below the number of loops is raised to it: then both limits are one search).
"times" is ZigZag's seconds over ours. "energy" is our mapping's over that of ZigZag's with the highest limit, both
counted by the same model: ours, or ZigZag's own cost model.
"""


def main() -> None:
    """Runs what is asked for and publishes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", nargs="*", help="only those with one of these words")
    parser.add_argument("--parts", default="fixed,uneven,free,networks")
    asked = parser.parse_args()
    parts = asked.parts.split(",")

    def rows(wanted: tuple[tuple[str, str], ...], one: Callable[[str, LoopNest], Row]) -> list[Row]:
        found = nests(wanted)
        words = asked.layers or [""]
        return [one(n, nest) for n, nest in found.items() if any(w in n for w in words)]

    find_mapping(Problem((1, 1, 16, 16, 4, 4, 3, 3)), FIXED, constraints=KEEP, mapspace="uneven")
    texts = [HEAD.format(load=f"{os.getloadavg()[0]:.1f}")]
    if "fixed" in parts:
        found = rows(LAYERS, lambda n, nest: compare(n, nest, FIXED, LIMITS, FIXED_THERE, "even"))
        texts += ["## Output channels along x, input channels along y: even mappings\n", speed_table(found), "", summary(found), ""]  # fmt: skip
        texts += ["## The same mappings in both models, µJ\n", terms_table(found), ""]
    if "uneven" in parts:
        found = rows(LAYERS, lambda n, nest: compare(n, nest, FIXED, (6,), FIXED_THERE, "uneven"))
        texts += ["## Uneven mappings\n", speed_table(found), "", summary(found), ""]
        texts += ["### The same uneven mappings in both models, µJ\n", terms_table(found), ""]
    if "free" in parts:
        texts += ["## Unrolling chosen by each: M, G or P along x, C, R or Q along y (ZigZag tries three)\n"]  # fmt: skip
        for mapspace in MAPSPACES:
            found = [*rows(FREE_LAYERS, lambda n, nest, m=mapspace: compare(n, nest, FREE, (6,), None, m))]  # type: ignore[misc]  # fmt: skip
            texts += [f"### {mapspace.capitalize()} mappings\n", speed_table(found), "", summary(found), ""]  # fmt: skip
    if "networks" in parts:
        texts += ["## Ours alone: whole networks on the Eyeriss chip, free optimum\n", networks_table(), ""]  # fmt: skip
        texts += [compilation(), ""]
    texts.append(machine())
    publish("mapper.md", "\n".join(texts))


if __name__ == "__main__":
    main()
