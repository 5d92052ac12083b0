"""Runs every benchmark, quick ones first: ``python -m benchmarks`` (what ``make bench`` does).

The tables land in benchmarks/results/. The coverage of timm takes about a quarter of an hour the first
time and resumes where it was stopped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPTS = (
    ["startup.py"],
    ["hard_cases.py"],
    ["shift.py"],
    ["loader.py"],
    ["mapper.py"],
    ["capture.py"],
    ["timm_coverage.py", "--library", "torchvision"],
    ["timm_coverage.py", "--library", "timm"],
)


def main() -> int:
    """Exit status: 0 if every script ended well."""
    failed = []
    for script, *arguments in SCRIPTS:
        print(f"\n== {script} {' '.join(arguments)}", file=sys.stderr)
        command = [sys.executable, str(HERE / script), *arguments]
        if subprocess.run(
            command, env={"OMP_NUM_THREADS": "1", **os.environ}, check=False
        ).returncode:
            failed.append(script)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
