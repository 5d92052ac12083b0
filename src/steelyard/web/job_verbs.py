"""The jobs that may be asked for, each with typed arguments, and the command line that each becomes.

A command line is made from what was checked: networks as `steelyard.web.naming` tells them or as files of the store,
devices, backends and search spaces that are known by name. Nothing in it is a path or option that a request wrote.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, TypeAdapter

import steelyard
from steelyard.errors import UnknownNameError, UsageError
from steelyard.web.bodies import Body, Name, What

Devices = Annotated[list[Name], Field(min_length=1, max_length=4)]
Counts = Annotated[list[Annotated[int, Field(ge=1, le=1024)]], Field(min_length=1, max_length=6)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Objective = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,30}(@[A-Za-z0-9_]{1,60})?$")]


class Measure(Body):
    """Run times on this machine, as `steelyard measure`."""

    verb: Literal["measure"]
    whats: Annotated[list[What], Field(min_length=1, max_length=6)]
    backends: Annotated[list[Name], Field(min_length=1, max_length=6)] = Field(["eager"])
    batches: Counts = Field([1])
    threads: Counts | None = None
    budget_s: Seconds = 3.0


class Estimate(Body):
    """Energy and time on accelerators, every layer mapped, as `steelyard estimate`."""

    verb: Literal["estimate"]
    what: What
    devices: Devices
    objective: Literal["energy", "latency", "edp", "dram"] = "energy"
    dataflow: Literal["", "WS", "OS-A", "OS-B", "OS-C", "IS", "NLR", "RS"] = ""
    fuse: bool = False
    budget_s: Seconds | None = None


class Scorecard(Body):
    """The eight metrics, as `steelyard scorecard`."""

    verb: Literal["scorecard"]
    what: What
    devices: Devices


class Report(Body):
    """The static report with everything mapped, as `steelyard report`; the file is the job's."""

    verb: Literal["report"]
    whats: Annotated[list[What], Field(min_length=1, max_length=6)]
    devices: Annotated[list[Name], Field(max_length=4)] = Field([])


class Limit(Body):
    """A bound that every network found keeps."""

    objective: Objective
    most: Annotated[float, Field(gt=0)]


class Search(Body):
    """The best networks of a search space, as `steelyard search`."""

    verb: Literal["search"]
    space: Name
    objectives: Annotated[list[Objective], Field(min_length=1, max_length=4)]
    constraints: Annotated[list[Limit], Field(max_length=6)] = Field([])
    trials: Annotated[int, Field(ge=1, le=20_000)] = 100
    strategy: Literal["random", "evolution", "nsga2"] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


Job = Annotated[Measure | Estimate | Scorecard | Report | Search, Field(discriminator="verb")]
JOB: TypeAdapter[Measure | Estimate | Scorecard | Report | Search] = TypeAdapter(Job)

REPORT = "report.html"
"""What a job of the verb report writes."""


OBJECTIVES = (
    "macs",
    "params",
    "access",
    "peak_memory",
    "latency_ms@cpu",
    "energy_mj@eyeriss",
    "naswot",
)
"""Of a search; after the @ stands a device."""


def spaces() -> list[str]:
    """`steelyard.design.spaces.list_spaces`, without loading torch into the server."""
    ready = Path(steelyard.__file__).parent / "design/spaces/ready"
    return sorted(path.stem for path in ready.glob("*.toml"))


def whats_of(job: Measure | Estimate | Scorecard | Report | Search) -> list[What]:
    """The networks that a job is about."""
    if isinstance(job, Search):
        return []
    return list(job.whats) if isinstance(job, (Measure, Report)) else [job.what]


def command_line(
    job: Measure | Estimate | Scorecard | Report | Search, sources: list[dict[str, Any]]
) -> list[str]:
    """What follows ``steelyard`` on the command line.

    Args:
        job: what was asked for.
        sources: its networks, each with ``source`` (a SOURCE), ``batch`` and ``dtype`` where given.

    Raises:
        UnknownNameError: no such device, backend or search space.
        UsageError: something that this verb does not take.
    """
    _refuse(sources, "rewrite")
    if isinstance(job, Measure):
        return _measure(job, sources)
    if isinstance(job, Search):
        return _search(job)
    _known("device", job.devices, steelyard.list_devices())
    devices = [part for name in job.devices for part in ("--device", name)]
    names = [source["source"] for source in sources]
    if isinstance(job, Report):
        _refuse(sources, "batch", "dtype")
        return ["report", *names, *devices, "-o", REPORT]
    if isinstance(job, Scorecard):
        _refuse(sources, "batch", "dtype")
        if importlib.util.find_spec("steelyard.cli.scorecard") is None:
            raise UsageError("this steelyard has no scorecard")
        return ["scorecard", *names, *devices, "--json"]
    line = ["estimate", *names, *devices, "--objective", job.objective, "--json"]
    line += ["--dataflow", job.dataflow] * bool(job.dataflow)
    line += ["--fuse"] * job.fuse
    line += ["--budget", str(job.budget_s)] * (job.budget_s is not None)
    for option in ("batch", "dtype"):
        if option in sources[0]:
            line += [f"--{option}", str(sources[0][option])]
    return line


def _measure(job: Measure, sources: list[dict[str, Any]]) -> list[str]:
    _refuse(sources, "batch", "dtype")
    for backend in job.backends:
        _known("backend", [backend.partition("+")[0]], steelyard.list_backends())
    line = ["measure", *(source["source"] for source in sources), "--json"]
    line += ["--backend", ",".join(job.backends), "--batch", ",".join(map(str, job.batches))]
    line += ["--threads", ",".join(map(str, job.threads))] if job.threads else []
    return [*line, "--budget", str(job.budget_s)]


def _search(job: Search) -> list[str]:
    _known("search space", [job.space], spaces())
    objectives = [*job.objectives, *(limit.objective for limit in job.constraints)]
    for text in objectives:
        name, at, device = text.partition("@")
        if name == "error":
            raise UsageError("the objective error", expected="one that needs no training")
        if at:
            _known("device", [device], steelyard.list_devices())
    line = ["search", job.space, "--trials", str(job.trials), "--seed", str(job.seed), "--json"]
    line += ["--objective", ",".join(job.objectives), "--store", "trials.sqlite"]
    for limit in job.constraints:
        line += ["--constraint", f"{limit.objective}<={_plain(limit.most)}"]
    return [*line, "--strategy", job.strategy] if job.strategy else line


def _plain(number: float) -> str:
    return str(int(number)) if number.is_integer() else re.sub(r"\.?0+$", "", f"{number:.9f}")


def _known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    every = list(known)
    for name in names:
        if name not in every:
            raise UnknownNameError(what, name, every)


def _refuse(sources: list[dict[str, Any]], *keys: str) -> None:
    for source in sources:
        if given := [key for key in keys if key in source]:
            words = " and ".join({"dtype": "bits"}.get(key, key) for key in given)
            raise UsageError(
                f"{source.get('label', source['source'])} with {words} set",
                expected="the network as it is: this job takes no such setting of a network",
            )
