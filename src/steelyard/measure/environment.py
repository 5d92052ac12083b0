"""The machine and its libraries, as far as they decide how fast a network runs."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from steelyard._version import __version__
from steelyard.measure.child import available_cores

_FLAGS = (
    "avx2 avx512f avx512_bf16 avx512_vnni avx_vnni amx_tile amx_bf16 amx_int8 amx_fp16 fma f16c "
    "neon asimd asimddp bf16 i8mm sve sve2"
).split()
_LIBRARIES = ("torch", "onnxruntime", "openvino", "numpy")
_CPU = Path("/sys/devices/system/cpu/cpu0")


def environment() -> dict[str, str]:
    """Facts, each as text: processor, cores, caches, flags, memory, system, libraries."""
    cpuinfo = _cpuinfo()
    flags = set((cpuinfo.get("flags") or cpuinfo.get("Features") or "").split())
    found = {
        "processor": cpuinfo.get("model name") or platform.processor() or platform.machine(),
        "cores": str(available_cores()),
        "caches": _caches(),
        "flags": " ".join(flag for flag in _FLAGS if flag in flags),
        "memory_bytes": _memory(),
        "governor": _text(_CPU / "cpufreq" / "scaling_governor"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "steelyard": __version__,
    }
    for library in _LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[library] = metadata.version(library)
    return {key: value for key, value in found.items() if value}


def machine_key(facts: dict[str, str]) -> str:
    """A short name for the environment; the same facts give the same."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def load_average() -> float | None:
    """Of the last minute; None where the system does not say."""
    with suppress(OSError, AttributeError):
        return os.getloadavg()[0]
    return None


def clock_mhz() -> float | None:
    """Of the first core, now; None where the system does not say."""
    with suppress(ValueError):
        return float(_text(_CPU / "cpufreq" / "scaling_cur_freq")) / 1000
    return None


def _cpuinfo() -> dict[str, str]:
    found: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    return found


def _caches() -> str:
    """E.g. ``L1d 32K, L2 1024K, L3 32768K``, as the first core sees them."""
    found: dict[str, str] = {}
    for index in sorted(_CPU.glob("cache/index*")):
        kind = {"Data": "d", "Instruction": "i"}.get(_text(index / "type"), "")
        found[f"L{_text(index / 'level')}{kind}"] = _text(index / "size")
    return ", ".join(f"{name} {size}" for name, size in sorted(found.items()) if size)


def _memory() -> str:
    with suppress(ValueError, OSError, AttributeError):
        return str(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return ""


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text("utf-8", "replace").strip()
    return ""
