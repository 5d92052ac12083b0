"""Memory of this process, and whether the C library keeps what is freed (Linux; elsewhere unknown)."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from pathlib import Path

_TOP_PAD, _TRIM, _MMAP, _MMAP_MAX = (
    -2,
    -1,
    -3,
    -4,
)  # numbers of mallopt's parameters, malloc.h of glibc


def resident_bytes() -> int:
    """What the process holds now; 0 where the system does not say."""
    return _status("VmRSS") or 0


def peak_bytes() -> int | None:
    """The most that it held since `reset_peak`; None where the system does not say."""
    return _status("VmHWM")


def reset_peak() -> None:
    """Begins a new peak, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def _status(key: str) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return None


def keep_freed_memory() -> bool:
    """Tells glibc to keep freed memory, so that large activations do not fault in page by page at each run.

    Returns:
        Whether it could be told.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return all(
        mallopt(key, value)
        for key, value in ((_MMAP_MAX, 0), (_TRIM, 2**31 - 1), (_TOP_PAD, 256 * 1024**2))
    )
