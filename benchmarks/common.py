"""What the benchmark scripts share: forked children, Markdown tables, the line that names the machine."""

from __future__ import annotations

import os
import pickle
import platform
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def in_child(function: Callable[[], Any], *, limit_s: float = 60.0) -> tuple[str, Any]:
    """Runs ``function`` in a forked child, so that neither a crash nor a patched library stays.

    Returns:
        ("ok", its result), ("error", "Type: message") or ("crash", reason).
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _answer(function, write)
    os.close(write)
    data, deadline = b"", time.monotonic() + limit_s
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([read], [], [], left)[0]:
            os.kill(child, signal.SIGKILL)
            break
        chunk = os.read(read, 1 << 16)
        if not chunk:
            break
        data += chunk
    os.close(read)
    _, status = os.waitpid(child, 0)
    if data and os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        return pickle.loads(data)
    if left <= 0:
        return "crash", f"not done in {limit_s:.0f} s"
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    name = signal.Signals(number).name if number else f"exit status {os.WEXITSTATUS(status)}"
    return "crash", name


def _answer(function: Callable[[], Any], write: int) -> None:
    """The child's half of `in_child`; never returns."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        answer = ("ok", function())
    except BaseException as error:
        answer = ("error", f"{type(error).__name__}: {error}")
    with os.fdopen(write, "wb") as pipe:
        pickle.dump(answer, pipe)
    os._exit(0)


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]], *, left: int = 1) -> str:
    """A Markdown table; the first ``left`` columns are aligned left, the others right."""
    lines = ["| " + " | ".join(header) + " |"]
    lines.append("|" + "|".join("---" if i < left else "--:" for i in range(len(header))) + "|")
    lines += ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def publish(name: str, text: str) -> None:
    """Prints ``text`` and writes it to results/``name``."""
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / name
    scratch = target.with_suffix(".tmp")
    scratch.write_text(text.rstrip() + "\n")
    scratch.replace(target)
    print(text)
    print(f"\nwritten to {target}", file=sys.stderr)


def machine() -> str:
    """One line: processor, threads, versions, date, commit."""
    import torch

    cpu = platform.processor() or "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = named[0].split(":", 1)[1].strip() if named else cpu
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True, text=True, cwd=HERE, check=False,
    ).stdout.strip()  # fmt: skip
    return (
        f"{cpu}, {os.cpu_count()} cores, {torch.get_num_threads()} thread(s); "
        f"Python {platform.python_version()}, torch {torch.__version__}; "
        f"{time.strftime('%Y-%m-%d')}, commit {commit or 'unknown'}"
    )
