"""How long steelyard takes to start, against Python itself and against importing torch; a network asked for again.

Run: ``python benchmarks/startup.py [--rounds 15]``. Writes results/startup.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")

from common import machine, markdown, publish

SCRIPT = str(Path(sys.executable).with_name("steelyard"))
COMMANDS: dict[str, list[str]] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import steelyard'": [sys.executable, "-c", "import steelyard"],
    "steelyard --help": [SCRIPT, "--help"],
    "python -c 'import torch'": [sys.executable, "-c", "import torch"],
    "steelyard cost resnet50 --fresh": [SCRIPT, "cost", "resnet50", "--fresh"],
}
AGAIN: dict[str, list[str]] = {
    "steelyard cost resnet50": [SCRIPT, "cost", "resnet50"],
    "steelyard roofline resnet50 --device h100": [
        SCRIPT, "roofline", "resnet50", "--device", "h100",
    ],
    "steelyard systolic resnet50 --device tpu_v1": [
        SCRIPT, "systolic", "resnet50", "--device", "tpu_v1",
    ],
    "steelyard estimate resnet50 --device eyeriss": [
        SCRIPT, "estimate", "resnet50", "--device", "eyeriss",
    ],
}  # fmt: skip


def seconds(command: list[str], cache: str) -> float:
    """Wall time of one run that keeps what it keeps in the folder ``cache``.

    Raises:
        SystemExit: the command failed.
    """
    # an installed package is compiled
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    kept["STEELYARD_CACHE"] = cache
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=kept)
    if done.returncode:
        raise SystemExit(f"{command} exited {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - start


def started(rounds: int) -> dict[str, list[float]]:
    """Seconds of each command, interleaved; the first round, which fills the file cache, is left out."""
    samples: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with TemporaryDirectory() as cache:
        for turn in range(rounds + 1):
            for name, command in COMMANDS.items():
                took = seconds(command, cache)
                if turn:
                    samples[name].append(took)
    return samples


def repeated(rounds: int, firsts: int) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds of each command with an empty cache folder, and with what it kept there."""
    samples: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in AGAIN}
    for turn in range(rounds):
        for name, command in AGAIN.items():
            with TemporaryDirectory() as cache:
                if turn < firsts:
                    samples[name][0].append(seconds(command, cache))
    with TemporaryDirectory() as cache:
        for turn in range(rounds + 1):
            for name, command in AGAIN.items():
                took = seconds(command, cache)
                if turn:
                    samples[name][1].append(took)
    return samples


def main() -> None:
    """Reads options, measures, prints and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--firsts", type=int, default=3, help="rounds with an empty cache")
    options = parser.parse_args()
    if not Path(SCRIPT).exists():  # steelyard is importable but was installed elsewhere
        for command in (*COMMANDS.values(), *AGAIN.values()):
            if command[0] == SCRIPT:
                command[:1] = [sys.executable, "-c", "from steelyard.cli import main; main()"]
    samples = started(options.rounds)
    rows = [
        [
            f"`{name}`",
            f"{median(times) * 1e3:.0f}",
            f"{min(times) * 1e3:.0f}",
            f"{max(times) * 1e3:.0f}",
        ]
        for name, times in samples.items()
    ]
    rest = median(samples["steelyard cost resnet50 --fresh"]) - median(
        samples["python -c 'import torch'"]
    )
    again = [
        [f"`{name}`", f"{median(first) * 1e3:.0f}", f"{median(then) * 1e3:.0f}",
         f"{min(then) * 1e3:.0f}", f"{max(then) * 1e3:.0f}"]
        for name, (first, then) in repeated(options.rounds, options.firsts).items()
    ]  # fmt: skip
    text = [
        "# Time to start",
        "",
        f"Wall milliseconds of whole processes, {options.rounds} interleaved rounds.",
        "",
        markdown(["command", "median", "least", "most"], rows),
        "",
        f"`steelyard cost resnet50 --fresh` takes {rest * 1e3:.0f} ms more than importing torch.",
        "",
        "## The second time",
        "",
        f"The first time with an empty cache folder (median of {options.firsts}), then with what it kept:",
        "",
        markdown(["command", "first time", "again", "least", "most"], again),
        "",
        machine(),
    ]
    publish("startup.md", "\n".join(text))


if __name__ == "__main__":
    main()
