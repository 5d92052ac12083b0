"""One trainer a folder, also across processes, and none left behind by a dead one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.errors import UsageError
from steelyard.train.lock import sole_trainer

HOLD = """
import sys, time
from pathlib import Path
from steelyard.train.lock import sole_trainer
with sole_trainer(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""


def test_the_second_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert first.stdout is not None and first.stdout.readline() == b"in\n"
        with (
            pytest.raises(UsageError, match=rf"another process \({first.pid}\) is training in"),
            sole_trainer(tmp_path),
        ):
            pass
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
    with sole_trainer(tmp_path):
        pass
