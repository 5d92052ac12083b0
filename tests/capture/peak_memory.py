"""The most memory that a process has held, as Linux tells it.

Not ``ru_maxrss``: a process inherits that from the one that started it.
"""

from pathlib import Path

PEAK_KB = "int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
"""An expression for programs that are run with ``python -c``."""


def peak_bytes() -> int:
    """Of this process."""
    return int(Path("/proc/self/status").read_text("ascii").split("VmHWM:")[1].split()[0]) * 1024
