"""Jobs for the engines' tests: they leave a file a run; one kills its process the first time, one always."""

import os
import signal
import time
from pathlib import Path


def double(folder: str, seconds: float, victim: int, job: int) -> int:
    """Twice the job, after a while (job 0: at once)."""
    ran = Path(folder) / f"{job}.{os.getpid()}.{time.monotonic_ns()}"
    before = [*Path(folder).glob(f"{job}.*")]
    ran.touch()
    if job == victim and not before:
        os.kill(os.getpid(), signal.SIGKILL)
    if job:
        time.sleep(seconds)
    return 2 * job


def fatal(job: int) -> int:
    """Ends its process whatever the job."""
    os.kill(os.getpid(), signal.SIGKILL)
    return job


def runs(folder: Path) -> dict[int, int]:
    """How often each job was begun."""
    jobs = [int(path.name.split(".")[0]) for path in folder.iterdir()]
    return {job: jobs.count(job) for job in jobs}
