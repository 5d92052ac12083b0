"""How long steelyard takes to start, against Python itself and against importing torch.

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

os.environ.setdefault("OMP_NUM_THREADS", "1")

from common import machine, markdown, publish

SCRIPT = str(Path(sys.executable).with_name("steelyard"))
COMMANDS: dict[str, list[str]] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import steelyard'": [sys.executable, "-c", "import steelyard"],
    "steelyard --help": [SCRIPT, "--help"],
    "python -c 'import torch'": [sys.executable, "-c", "import torch"],
    "steelyard cost resnet50": [SCRIPT, "cost", "resnet50"],
}


def seconds(command: list[str]) -> float:
    """Wall time of one run.

    Raises:
        SystemExit: the command failed.
    """
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command} exited {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - start


def main() -> None:
    """Reads options, measures, prints and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    if not Path(SCRIPT).exists():  # steelyard is importable but was installed elsewhere
        for command in COMMANDS.values():
            if command[0] == SCRIPT:
                command[:1] = [sys.executable, "-c", "from steelyard.cli import main; main()"]
    samples: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(rounds + 1):
        for name, command in COMMANDS.items():
            took = seconds(command)
            if turn:  # the first round fills the file cache
                samples[name].append(took)
    rows = [
        [
            f"`{name}`",
            f"{median(times) * 1e3:.0f}",
            f"{min(times) * 1e3:.0f}",
            f"{max(times) * 1e3:.0f}",
        ]
        for name, times in samples.items()
    ]
    rest = median(samples["steelyard cost resnet50"]) - median(samples["python -c 'import torch'"])
    text = [
        "# Time to start",
        "",
        f"Wall milliseconds of whole processes, {rounds} interleaved rounds.",
        "",
        markdown(["command", "median", "least", "most"], rows),
        "",
        f"`steelyard cost resnet50` takes {rest * 1e3:.0f} ms more than importing torch.",
        "",
        machine(),
    ]
    publish("startup.md", "\n".join(text))


if __name__ == "__main__":
    main()
