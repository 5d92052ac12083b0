"""How fast steelyard counts against its peers: one process, interleaved, medians of rotated rounds.

Run: ``python benchmarks/capture.py [--networks resnet18,vgg16] [--rounds 7] [--peers fvcore,thop]``
Writes results/capture.md. ``--rounds 2 --single-rounds 1 --first-calls 0`` takes some four minutes.

The main table is taken with as many threads as PyTorch uses by itself, as everybody has it who does not
think of threads; peers that compute then take less time and more CPU time. A second one, of ratios only,
is taken with one thread.

Networks are already built; every counter has a copy of its own. Steelyard's call is
``sy.cost(sy.capture(model, input_shape=...)).total.macs``: every operator recorded with its loops, tensors
and module, and all of it counted. Names and layer objects are made from the record when somebody looks at
them (`Workload.deferred`). It is timed four ways:

- "steelyard": with all that it remembers of earlier calls emptied first; the ratios are of this one;
- "rows": the same, and then every row of the report made, too;
- "again": remembering what it learnt of operators (never of networks), as in a search over candidates;
- "first call": in a fresh process that has built the network and imported torch, with all of steelyard's
  own imports.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import math
import os
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass, field
from statistics import median

import torch

from common import HERE, machine, markdown, publish
from networks import NETWORKS, Network
from peers import (
    PEERS,
    STEELYARD_AGAIN,
    STEELYARD_ON_SHAPE,
    STEELYARD_ROWS,
    Peer,
    available,
)

CALLS = 3
"""Calls of one counter in a row."""

FIRST_CALL = """
import sys, time, json, warnings
warnings.simplefilter("ignore")
import torch
from networks import NETWORKS
network = NETWORKS[sys.argv[1]]
model = network.build()
wall, cpu = time.perf_counter(), time.process_time()
import steelyard as sy
macs = sy.cost(sy.capture(model, input_shape=network.input_shape)).total.macs
print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu, macs]))
"""


@dataclass
class Timing:
    """All samples of one counter on one network, in seconds."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    macs: int | None = None
    error: str = ""


def once(peer: Peer, model: torch.nn.Module, x: torch.Tensor, timing: Timing) -> None:
    """One timed call."""
    peer.prepare()
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        result = peer.run(model, (x,), {})
        timing.cpu.append(time.process_time() - cpu)
        timing.wall.append(time.perf_counter() - wall)
        timing.macs = peer.macs(result)
    except Exception as error:
        timing.error = f"{type(error).__name__}: {error}"


def measure(
    network: Network, peers: list[Peer], settings: list[tuple[int, int]]
) -> list[dict[str, Timing]]:
    """All counters on one network, for each of ``settings``, which are (threads, rounds).

    Each round starts with another counter. Each counter has a copy of its own, since some leave
    attributes or buffers behind.
    """
    model, x = network.build(), torch.randn(network.input_shape)
    copies = {peer.name: copy.deepcopy(model) for peer in peers}
    found = []
    for threads, rounds in settings:
        torch.set_num_threads(threads)
        timings = {peer.name: Timing() for peer in peers}
        for turn in range(rounds):
            start = turn % len(peers)
            for peer in peers[start:] + peers[:start]:
                gc.collect()  # takes longer than idle threads of the counter before go on spinning
                for _ in range(CALLS):
                    if not timings[peer.name].error:
                        once(peer, copies[peer.name], x, timings[peer.name])
        found.append(timings)
    return found


def first_call(network: Network, times: int) -> tuple[float, float]:
    """Median (wall, CPU) seconds of the first call in a fresh process."""
    samples = []
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", FIRST_CALL, network.name],
            capture_output=True,
            text=True,
            cwd=HERE,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"first call of {network.name} failed:\n{done.stderr}")
        samples.append(json.loads(done.stdout.splitlines()[-1]))
    if not samples:
        return math.nan, math.nan
    return median(s[0] for s in samples), median(s[1] for s in samples)


def milliseconds(seconds: float) -> str:
    if math.isnan(seconds):
        return "-"
    return f"{seconds * 1e3:.1f}" if seconds < 0.1 else f"{seconds * 1e3:.0f}"


def agreement(network: Network, timings: dict[str, Timing]) -> str:
    """One line on the counts of a network: who differs, and what outsiders say; "" if all agree."""
    ours = timings[STEELYARD_ON_SHAPE.name].macs
    if ours is None:
        return f"{network.name}: steelyard failed: {timings[STEELYARD_ON_SHAPE.name].error}"
    exact = {n: t.macs for n, t in timings.items() if n in PEERS and not PEERS[n].has_surplus}
    differ = [f"{n} {macs / ours:.3f}x" for n, macs in exact.items() if macs not in (None, ours)]
    differ += [f"{n} failed: {t.error}" for n, t in timings.items() if t.error]
    published = network.published_gmacs()
    confirmed = published is not None and abs(ours / 1e9 - published) <= 5.1e-4
    if not differ and (confirmed or published is None):
        return ""
    said = "" if published is None else f" (torchvision publishes {published} G)"
    alike = [name for name, macs in exact.items() if macs == ours]
    return (
        f"{network.name}: steelyard {ours:,}{said}; the same: {', '.join(alike) or 'no peer'}; "
        f"others: {', '.join(differ) or 'none'}"
    )


@dataclass
class Ratios:
    """How many times the CPU time of steelyard's call others take, one network after the other."""

    to_fvcore: list[float] = field(default_factory=list)
    to_best: list[float] = field(default_factory=list)

    def add(self, timings: dict[str, Timing]) -> tuple[dict[str, float], str]:
        """Adds a network; returns the median CPU seconds of all counters, and the fastest peer."""
        cpu = {name: median(t.cpu) for name, t in timings.items() if t.cpu}
        ours = cpu[STEELYARD_ON_SHAPE.name]
        best = min((name for name in cpu if name in PEERS), key=lambda name: cpu[name])
        self.to_best.append(cpu[best] / ours)
        self.to_fvcore.append(cpu["fvcore"] / ours if "fvcore" in cpu else math.nan)
        return cpu, best

    def verdict(self) -> list[str]:
        """The medians, and whether the goals are met."""
        lines = []
        if not any(map(math.isnan, self.to_fvcore)):
            met = "met" if median(self.to_fvcore) >= 100 else "not met"
            lines.append(
                f"- against fvcore: median **{median(self.to_fvcore):.0f}x**, least "
                f"{min(self.to_fvcore):.0f}x; goal of 100x in the median: {met}"
            )
        met = "met" if min(self.to_best) >= 10 else "not met"
        lines.append(
            f"- against the fastest peer: median **{median(self.to_best):.1f}x**, least "
            f"{min(self.to_best):.1f}x; goal of 10x on every network: {met}"
        )
        return lines


Row = tuple[Network, list[dict[str, Timing]], tuple[float, float]]


def times(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{seconds:.0f}x"


def summary(rows: list[Row]) -> str:
    """The main table and whether the goals are met."""
    lines, ratios = [], Ratios()
    for network, (timings, *_), first in rows:
        cpu, best = ratios.add(timings)
        ours, again = cpu[STEELYARD_ON_SHAPE.name], cpu[STEELYARD_AGAIN.name]
        listed = cpu[STEELYARD_ROWS.name]
        has_fvcore = "fvcore" in cpu
        lines.append(
            [
                network.name,
                milliseconds(ours),
                milliseconds(listed),
                milliseconds(again),
                milliseconds(first[1]),
                milliseconds(cpu["fvcore"]) if has_fvcore else "-",
                milliseconds(median(timings["fvcore"].wall)) if has_fvcore else "-",
                f"{best} {milliseconds(cpu[best])}",
                times(ratios.to_fvcore[-1]),
                f"{ratios.to_best[-1]:.1f}x",
                f"{cpu[best] / listed:.1f}x",
                f"{cpu[best] / again:.1f}x",
            ]
        )
    header = ["network", "steelyard", "rows", "again", "first call", "fvcore", "fvcore wall", "fastest peer",
              "against fvcore", "against fastest", "rows / fastest", "again / fastest"]  # fmt: skip
    return "\n".join([markdown(header, lines), "", *ratios.verdict()])


def single(rows: list[Row]) -> str:
    """The second table, of ratios with one thread."""
    lines, ratios = [], Ratios()
    for network, found, _ in rows:
        _, best = ratios.add(found[1])
        lines.append(
            [network.name, times(ratios.to_fvcore[-1]), f"{ratios.to_best[-1]:.1f}x", best]
        )
    header = ["network", "against fvcore", "against fastest", "which is"]
    return "\n".join([markdown(header, lines), "", *ratios.verdict()])


def main() -> None:
    """Reads options, measures, prints and writes the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--networks", default=",".join(NETWORKS), help="names, comma-separated")
    parser.add_argument("--peers", default=",".join(PEERS), help="names, comma-separated")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--threads", type=int, default=None, help="of the main table; default: PyTorch's own choice"
    )
    parser.add_argument(
        "--single-rounds", type=int, default=3, help="rounds with one thread; 0: no second table"
    )
    parser.add_argument(
        "--first-calls", type=int, default=3, help="fresh processes per network; 0: none"
    )
    options = parser.parse_args()
    load = f"{os.getloadavg()[0]:.0f}"
    warnings.simplefilter("ignore")
    where = machine()  # of the code that is loaded now, whatever is committed meanwhile
    threads = options.threads or torch.get_num_threads()
    settings = [(threads, options.rounds)]
    if options.single_rounds and threads > 1:
        settings.append((1, options.single_rounds))
    usable, missing = available(options.peers.split(","))
    peers = [STEELYARD_ON_SHAPE, STEELYARD_ROWS, STEELYARD_AGAIN, *usable]
    rows: list[Row] = []
    said = []
    for name in options.networks.split(","):
        network = NETWORKS[name]
        found = measure(network, peers, settings)
        rows.append((network, found, first_call(network, options.first_calls)))
        timings = found[0]
        said.append(agreement(network, timings))
        print(
            name,
            {n: milliseconds(median(t.cpu)) for n, t in timings.items() if t.cpu},
            file=sys.stderr,
        )
    everything = [
        [
            network.name,
            *(
                milliseconds(median(timings[p.name].cpu)) if timings[p.name].cpu else "error"
                for p in peers
            ),
        ]
        for network, (timings, *_), _ in rows
    ]
    one_thread = (
        []
        if len(settings) == 1
        else [
            "## With one thread",
            "",
            f"The same, median of {options.single_rounds} rounds of {CALLS} calls with one thread: ratios of CPU times.",
            "",
            single(rows),
            "",
        ]
    )
    text = [
        "# Speed of counting",
        "",
        f"CPU milliseconds with {threads} threads{'' if options.threads else ', which is what PyTorch takes by itself here'}: "
        f"median of {options.rounds} interleaved",
        f"rounds of {CALLS} calls, networks already built on the CPU. fvcore computes, so that its time by the clock",
        "(\"fvcore wall\") is shorter; steelyard uses one thread, and its two times are the same.",
        "Steelyard: every operator captured with its data flow, and all counted, remembering nothing of",
        "earlier calls; names and layer objects are made when they are looked at, and in \"rows\" all are.",
        "\"again\": remembering operators of earlier calls (not networks), as in a search.",
        "\"first call\": in a fresh process, steelyard's imports included.",
        f"Load of the machine in the minute before and at the end: {load} and {os.getloadavg()[0]:.0f}.",
        "",
        summary(rows),
        "",
        *one_thread,
        "## Every counter, CPU milliseconds",
        "",
        markdown(["network", *(p.name for p in peers)], everything),
        "",
        *(f"- {p.name} {p.version}: {p.note}" for p in peers),
        *(f"- {name}: not run: {why}" for name, why in missing.items()),
        "",
        "## Where counts differ",
        "",
        "ptflops is left out: its total includes other operations. Networks not named: all agree, and with",
        "torchvision's published figure.",
        "",
        *([f"- {line}" for line in said if line] or ["Nowhere."]),
        "",
        where,
    ]  # fmt: skip
    publish("capture.md", "\n".join(text))


if __name__ == "__main__":
    main()
