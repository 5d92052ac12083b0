"""The child process of a job: ``python -m steelyard.web.runner BYTES VERB ...`` runs one command line of steelyard.

It leads a group of processes of its own, so that what a job starts is ended with it. It ends when the server does:
its input ends then, and the group is interrupted as by Ctrl-C, and after a while killed.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

from steelyard.web.worker import go_first, limit_files

GRACE_S = 5.0
"""What an interrupted job may take to close its files."""


def main() -> None:
    """Runs the command line and exits with its code."""
    limit_files(int(sys.argv[1]))
    go_first()
    # a server in the background ignores Ctrl-C, and so would this
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_server, daemon=True).start()
    sys.argv = ["steelyard", *sys.argv[2:]]
    runpy.run_module("steelyard", run_name="__main__", alter_sys=True)


def _end_with_server() -> None:
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGINT)
    time.sleep(GRACE_S)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
