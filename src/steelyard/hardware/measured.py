"""The device ``cpu``: the roofline of the machine at hand, measured with NumPy and remembered.

The ceiling of arithmetic is the fastest of several square matrix products (NumPy's BLAS, all its threads), the
ceiling of memory the fastest of several copies between arrays far larger than the caches, by as many threads
as the process may use cores; a copy counts what it reads and what it writes. The figures are kept under the
cache folder for this processor, number of cores and BLAS, and measured anew when one of them changes; and with the
load of the machine: what was measured on a busy one is measured again when it is half as busy.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import platform
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from steelyard._cache import cache_folder
from steelyard.hardware.device import Roofline

SIZES = (512, 1024, 2048)
"""Sides of the matrices."""

COPY_BYTES = 256 * 1024**2
"""Of one of the two arrays of the copy."""

_BUDGET_S = 0.4
_RATES = ("float32", "float64", "copy")


def measured_cpu(*, refresh: bool = False) -> Roofline:
    """The roofline of this machine: measured the first time, then read from the cache.

    Args:
        refresh: measure again.
    """
    facts = fingerprint()
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_folder() / "devices" / f"cpu-{key}.json"
    found = None if refresh else _remembered(path)
    cores = int(facts["cores"])
    # what runs on cores that this process may not use does not disturb it
    much = max((os.cpu_count() or cores) - cores, 0) + cores / 3
    if found is None or (found["load"] > much and _load() <= found["load"] / 2):
        before = found or dict.fromkeys(_RATES, 0.0)
        found = _measured(cores)
        # ceilings: what was reached once can be reached
        found |= {rate: max(found[rate], before[rate]) for rate in _RATES}
        _remember(path, found)
    how = f"measured on this machine: {facts['processor']}, {facts['cores']} cores"
    if found["load"] > much:
        how += f", busy with other programs (load {found['load']:.1f}), so an idle one does better"
    return Roofline(
        name="cpu",
        title=f"This machine: {facts['processor']}, {facts['cores']} cores",
        peak_macs_per_s={"float32": found["float32"], "float64": found["float64"]},
        bandwidth_bytes_per_s={"dram": found["copy"]},
        sources={
            "peak_macs_per_s": f"{how}; the fastest matrix product of {facts['blas']}",
            "bandwidth_bytes_per_s": f"{how}; the fastest copy of {COPY_BYTES >> 20} MiB, read plus written",
        },
    )


def fingerprint() -> dict[str, str]:
    """What the measurement depends on: processor, cores that this process may use, BLAS and its threads."""
    numpy: Any = importlib.import_module("numpy")
    config = numpy.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    threads = [os.environ.get(f"{name}_NUM_THREADS", "") for name in ("OMP", "OPENBLAS", "MKL")]
    return {
        "processor": _processor(),
        "cores": str(_cores()),
        "blas": f"{blas.get('name', 'BLAS')} {blas.get('version', '')} in NumPy {numpy.__version__}",
        "threads": ",".join(threads),
    }


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _measured(cores: int) -> dict[str, float]:
    """The rates, and how many cores others used meanwhile; where the system does not say, the load of the last minute."""
    load, begun, others = _load(), time.perf_counter(), _others_s()
    rates = {
        "float32": _gemm_macs_per_s("float32"),
        "float64": _gemm_macs_per_s("float64"),
        "copy": _copy_bytes_per_s(cores),
    }
    after = _others_s()
    if others is not None and after is not None:
        load = (after - others) / (time.perf_counter() - begun)
    return {"load": load, **rates}


def _load() -> float:
    """Programs that ran or waited in the last minute; 0 where the system does not say."""
    load = getattr(os, "getloadavg", None)
    with contextlib.suppress(OSError):
        return float(load()[0]) if load is not None else 0.0
    return 0.0


def _others_s() -> float | None:
    """Seconds that the cores worked for others than this process since the start (Linux; elsewhere unknown)."""
    try:
        user, nice, system = Path("/proc/stat").read_text("ascii").split(None, 4)[1:4]
        return sum(map(int, (user, nice, system))) / os.sysconf("SC_CLK_TCK") - time.process_time()
    except (OSError, ValueError):
        return None


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip() or platform.machine()
    return platform.processor() or platform.machine()


def _best(run: Callable[[], object], work: float) -> float:
    """The highest rate seen within the budget; at least three runs after one to warm up."""
    run()
    best, runs, end = 0.0, 0, time.perf_counter() + _BUDGET_S
    while runs < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = max(best, work / max(time.perf_counter() - start, 1e-9))
        runs += 1
    return best


def _gemm_macs_per_s(dtype: str) -> float:
    numpy: Any = importlib.import_module("numpy")
    best = 0.0
    for side in SIZES:
        # constants, and no zeros or denormals, which some processors treat in a time of their own
        a = numpy.full((side, side), 1.5, dtype)
        b = numpy.full((side, side), 0.5, dtype)
        out = numpy.empty_like(a)
        best = max(best, _best(lambda a=a, b=b, out=out: numpy.matmul(a, b, out=out), side**3))  # type: ignore[misc]
    return best


def _copy_bytes_per_s(cores: int) -> float:
    numpy: Any = importlib.import_module("numpy")
    source = numpy.ones(COPY_BYTES // 8)
    target = numpy.zeros_like(source)
    parts = list(
        zip(numpy.array_split(source, cores), numpy.array_split(target, cores), strict=True)
    )
    with ThreadPoolExecutor(cores) as pool:
        # copyto releases the interpreter's lock
        return _best(
            lambda: list(pool.map(lambda pair: numpy.copyto(pair[1], pair[0]), parts)),
            2 * COPY_BYTES,
        )


def _remembered(path: Path) -> dict[str, float] | None:
    """What the file holds; None where there is none or it holds no likely rates."""
    try:
        data = json.loads(path.read_text("utf-8"))
        found = {key: float(data[key]) for key in ("load", *_RATES)}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if all(1e6 < found[key] < 1e18 for key in _RATES) else None


def _remember(path: Path, found: dict[str, float]) -> None:
    """Written beside and renamed; where nothing can be written the next call measures again."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(json.dumps(found), "utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
