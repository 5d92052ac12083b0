"""`take`: how long every step of random networks takes on this machine, each step in its place among the others.

Each probe runs in a forked process of its own, where the system has such: its memory is then as fresh as that of a
network that is measured, and the C library gives it back to the system, and faults it in again, in the same way.
"""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from steelyard.measure.predictor.bystanders import Bystanders
from steelyard.measure.predictor.canary import canary

WARM, RUNS, LONGEST_S = 2, 9, 0.15
"""Inferences that do not count, those that do, and seconds after which no more is begun (but three)."""

ATTEMPTS, BUSY = 3, 0.12
"""How often a probe is timed if other programs keep more cores busy than that."""


def take(
    take_one: Callable[[int], dict[str, Any]], seconds: float, first: int = 0
) -> Iterator[dict[str, Any]]:
    """What ``take_one`` finds for the probes numbered from ``first`` on, until so many seconds are over.

    A probe that fails is left out. With each goes the slower of the `canary` before and behind it.
    """
    until = time.perf_counter() + seconds
    seed, before = first, canary()
    while time.perf_counter() < until:
        found = _apart(take_one, seed)
        after = canary()
        if found is not None:
            yield {**found, "canary": [max(pair) for pair in zip(before, after, strict=True)]}
        seed, before = seed + 1, after


def load(backend: str) -> None:
    """Imports what the probes need, once and not in every fork."""
    from steelyard.measure.predictor.probes import probe

    probe(
        0, filled=False
    )  # what PyTorch imports when layers are first made without weights takes 0.2 s
    if backend == "onnxruntime":
        for name in (
            "steelyard.measure.predictor.onnx_probe",
            "onnx",
            "onnx.helper",
            "onnx.numpy_helper",
            "onnxruntime",
        ):
            importlib.import_module(name)


def eager_probe(seed: int) -> dict[str, Any]:
    """Nanoseconds of each step of the probe in PyTorch: a row for each inference.

    ``freed`` is the size in bytes of the largest block of memory that making the probe set free.
    """
    import torch

    from steelyard.measure.predictor.probes import probe
    from steelyard.measure.predictor.steps import POOL

    model, shape = probe(seed)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        for _ in range(WARM):
            model(x)
        rows, others = _undisturbed(lambda: model.timed(x))
    return {"seed": seed, "freed": 4 * POOL, "others": others, "ns": rows}


def onnxruntime_probe(seed: int, cores: frozenset[int] = frozenset()) -> dict[str, Any]:
    """What ONNX Runtime executes for the probe, with its shapes, and microseconds of each: a row for each inference.

    By its own profiler; ``whole`` are microseconds of those inferences, ``alone`` nanoseconds of inferences without the
    profiler. ``cores`` are those of the process.
    """
    import numpy as np
    import torch

    from steelyard.measure.predictor.onnx_probe import onnx_of
    from steelyard.measure.predictor.probes import probe
    from steelyard.measure.seats import seated

    runtime: Any = importlib.import_module("onnxruntime")
    model, shape = probe(seed)
    feed = {"x": np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)}
    graph = onnx_of(model, shape)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory(prefix="steelyard-") as folder, seated("onnxruntime", cores):
        session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        for _ in range(WARM):
            session.run(None, feed)
        alone, _ = _undisturbed(lambda: _nanoseconds(lambda: session.run(None, feed)))
        del session
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        for _ in range(WARM):
            session.run(None, feed)
        done, others = _undisturbed(lambda: session.run(None, feed) and None)
        entries = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    whole = [e["dur"] for e in entries if e.get("cat") == "Session" and e["name"] == "model_run"]
    nodes = [e for e in entries if e.get("cat") == "Node" and e["name"].endswith("_kernel_time")]
    count = len(nodes) // len(whole)
    taken = range(len(whole) - len(done), len(whole))
    return {
        "seed": seed,
        "others": others,
        "alone": alone,
        "whole": whole[-len(done) :],
        "us": [[e["dur"] for e in nodes[i * count : (i + 1) * count]] for i in taken],
        "ops": [[e["args"]["op_name"], e["name"], _shapes(e, "input"), _shapes(e, "output")] for e in nodes[:count]],
    }  # fmt: skip


_Result = TypeVar("_Result")


def _undisturbed(run: Callable[[], _Result]) -> tuple[list[_Result], float | None]:
    """Results of some inferences while other programs hardly did anything, and the cores that they kept busy.

    Disturbed ones are made again, a few times; then the last stand.
    """
    for _ in range(ATTEMPTS):
        around, begun = Bystanders(), time.perf_counter()
        found: list[_Result] = []
        while len(found) < RUNS and (len(found) < 3 or time.perf_counter() - begun < LONGEST_S):
            found.append(run())
        others = around.cores()
        if others is None or others <= BUSY:
            break
    return found, others


def _nanoseconds(run: Callable[[], object]) -> int:
    begun = time.perf_counter_ns()
    run()
    return time.perf_counter_ns() - begun


def _shapes(event: dict[str, Any], side: str) -> list[list[int]]:
    return [shape for item in event["args"][f"{side}_type_shape"] for shape in item.values()]


def _apart(work: Callable[[int], dict[str, Any]], seed: int) -> dict[str, Any] | None:
    """The result of ``work`` in a forked process; None if that died."""
    if not hasattr(os, "fork"):
        return work(seed)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        code = 1
        try:
            with os.fdopen(write, "w", encoding="utf-8") as pipe:
                json.dump(work(seed), pipe)
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return json.loads(text) if os.waitstatus_to_exitcode(status) == 0 and text else None
