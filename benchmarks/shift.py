"""The shift against a copy, against depthwise 3x3 and against itself written with pad, slice and cat.

Run: ``python benchmarks/shift.py [--rounds 15] [--threads 1 2]``. Writes results/shift.md.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

from common import machine, markdown, publish

MAPS = [
    (1, 32, 112), (1, 64, 112), (1, 96, 112), (1, 96, 56), (1, 144, 56), (1, 192, 56), (1, 192, 28),
    (1, 384, 28), (1, 576, 28), (1, 576, 14), (1, 960, 7), (32, 32, 56), (32, 96, 56), (32, 144, 28),
    (32, 192, 28), (32, 288, 14), (32, 576, 14), (32, 960, 7),
]  # fmt: skip
"""(N, C, H = W): maps of mobile networks."""

SAMPLE_S = 2e-3
"""Each sample repeats a call until it takes about so long."""

Calls = dict[str, Callable[[], object]]


def keep_memory() -> None:
    """Lets the C library keep what is freed: else fresh pages are what large results cost most."""
    mmap_threshold, trim_threshold, top_pad = -3, -1, -2
    libc = ctypes.CDLL(None)
    for option, value in ((mmap_threshold, 1 << 30), (trim_threshold, 1 << 30), (top_pad, 1 << 27)):
        libc.mallopt(option, value)


def samples_us(calls: Calls, rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Microseconds of each call in each round, the calls in turn, the order rotated."""
    repeats, samples = {}, {name: [] for name in calls}
    for name, call in calls.items():
        call()
        start = clock()
        call()
        repeats[name] = max(1, int(SAMPLE_S / max(1e-6, clock() - start)))
    names = list(calls)
    for turn in range(rounds):
        at = turn % len(names)
        for name in names[at:] + names[:at]:
            call = calls[name]
            call()  # brings back into the caches what the one before drove out
            start = clock()
            for _ in range(repeats[name]):
                call()
            samples[name].append((clock() - start) / repeats[name] * 1e6)
    return samples


def calls_for(n: int, c: int, side: int) -> Calls:
    """Everything that is timed on one map."""
    import torch
    import torch.nn.functional as F

    from steelyard.layers._shift_ops import _sliced
    from steelyard.layers.shift import Shift, shift

    layer = Shift(c)
    flat = tuple(k for move in layer.moves for k in move)
    planes = torch.randn(n, c, side, side)
    pixels = planes.to(memory_format=torch.channels_last)
    spatial, point = torch.randn(c, 1, 3, 3), torch.randn(c, c, 1, 1)
    point_last = point.to(memory_format=torch.channels_last)

    def depthwise(x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, spatial, padding=1, groups=c)

    return {
        "clone": planes.clone,
        "clone, last": pixels.clone,
        "shift": lambda: shift(planes, layer.moves),
        "shift, last": lambda: shift(pixels, layer.moves),
        "module": lambda: layer(planes),
        "plain": lambda: _sliced(planes, flat),
        "depthwise": lambda: depthwise(planes),
        "depthwise, last": lambda: depthwise(pixels),
        "shift, 1x1": lambda: F.conv2d(shift(planes, layer.moves), point),
        "shift, 1x1, last": lambda: F.conv2d(shift(pixels, layer.moves), point_last),
        "depthwise, 1x1": lambda: F.conv2d(depthwise(planes), point),
        "depthwise, 1x1, last": lambda: F.conv2d(depthwise(pixels), point_last),
    }


def measure(threads: int, rounds: int) -> None:
    """The child process: prints one line of JSON for each map.

    One thread is timed by its own clock, which stands still while other programs run; several cannot be.
    """
    import torch

    clock = time.thread_time if threads == 1 else time.perf_counter

    keep_memory()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with torch.inference_mode():
        for n, c, side in MAPS:
            print(
                json.dumps([n, c, side, samples_us(calls_for(n, c, side), rounds, clock)]),
                flush=True,
            )


def ratio(samples: dict[str, list[float]], above: list[str], below: list[str]) -> float:
    """The faster of ``above`` divided by the faster of ``below``, each in its fastest round."""
    return min(min(samples[name]) for name in above) / min(min(samples[name]) for name in below)


def table(lines: list[tuple[int, int, int, dict[str, list[float]]]]) -> str:
    header = [
        "map", "MB", "clone, us", "shift, us", "shift / clone", "as nn.Module / clone",
        "channels last / clone",
        "depthwise, us", "channels last, us", "faster depthwise / shift", "plain / faster depthwise",
        "depthwise + 1x1 / shift + 1x1",
    ]  # fmt: skip
    rows = []
    for n, c, side, samples in lines:
        us = {name: f"{min(values):.0f}" for name, values in samples.items()}
        depthwise = ["depthwise", "depthwise, last"]
        rows.append(
            [
                f"{n} x {c} x {side} x {side}",
                f"{n * c * side * side * 4 / 1e6:.1f}",
                us["clone"],
                us["shift"],
                f"{ratio(samples, ['shift'], ['clone']):.2f}",
                f"{ratio(samples, ['module'], ['clone']):.2f}",
                f"{ratio(samples, ['shift, last'], ['clone, last']):.2f}",
                us["depthwise"],
                us["depthwise, last"],
                f"{ratio(samples, depthwise, ['shift', 'shift, last']):.2f}",
                f"{ratio(samples, ['plain'], depthwise):.2f}",
                f"{ratio(samples, ['depthwise, 1x1', 'depthwise, 1x1, last'], ['shift, 1x1', 'shift, 1x1, last']):.2f}",
            ]
        )
    return markdown(header, rows)


def goals(lines: list[tuple[int, int, int, dict[str, list[float]]]]) -> list[str]:
    """Each goal, on how many maps it is met, and where it is not."""

    def verdict(what: str, chosen: list[tuple[str, float]], met: Callable[[float], bool]) -> str:
        missed = [f"{name} ({value:.2f})" for name, value in chosen if not met(value)]
        where = f"; not on {', '.join(missed)}" if missed else ""
        return f"- {what}: {len(chosen) - len(missed)} of {len(chosen)} maps{where}"

    copies, modules, single, batches = [], [], [], []
    for n, c, side, samples in lines:
        name = f"{n} x {c} x {side} x {side}"
        if n * c * side * side * 4 > 1e6:
            copies.append((name, ratio(samples, ["shift"], ["clone"])))
            modules.append((name, ratio(samples, ["module"], ["clone"])))
        gain = ratio(samples, ["depthwise", "depthwise, last"], ["shift", "shift, last"])
        (single if n == 1 else batches).append((name, gain))
    return [
        verdict("at most 1.3 times a copy, maps over 1 MB", copies, lambda v: v <= 1.3),
        verdict("the same, as a module", modules, lambda v: v <= 1.3),
        verdict("twice as fast as the faster depthwise 3x3, batch 1", single, lambda v: v >= 2),
        verdict("1.4 times as fast, batch 32", batches, lambda v: v >= 1.4),
    ]


def main() -> None:
    """Measures in a child process for each number of threads, prints and writes the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measure(options.child, options.rounds)
        return
    text = [
        "# The shift on a CPU",
        "",
        f"`shift`, 3x3, float32, compiled by numba; all are functions, but for \"as nn.Module\": `Shift(C)`, where the call of a module is counted, too. The fastest of {options.rounds} rounds in which all calls take "
        "turns, of every call alike: other programs only add time. One thread: its CPU time; more: wall time. Threads are pinned (OMP_PROC_BIND), "
        "and the C library keeps freed memory (mallopt), so that page faults are not what is measured. \"plain\" is the same shift by pad, slice and cat; "
        "\"faster\" is the faster of both layouts, also of blocks with a 1x1 convolution of C to C channels.",
    ]  # fmt: skip
    for threads in options.threads:
        command = [sys.executable, __file__, "--child", str(threads), "--rounds", str(options.rounds)]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_PROC_BIND": "true"}
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        load = os.getloadavg()[0]
        title = f"## {threads} thread(s), load of the machine {load:.1f}"
        text += ["", title, "", table(lines), "", *goals(lines)]
    publish("shift.md", "\n".join([*text, "", machine()]))


if __name__ == "__main__":
    main()
