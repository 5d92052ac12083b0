"""Inferences in ONNX Runtime and OpenVINO under their own profilers, joined to the workload by the nodes' names.

Both fuse and rewrite the graph, and call what they make after nodes or tensors of the file. The file is therefore
copied with a number in every such name, by which each operator that ran finds its layer.
"""

from __future__ import annotations

import importlib
import json
import re
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from steelyard.capture.api import capture
from steelyard.errors import BackendError, MissingExtraError, UsageError
from steelyard.measure.backend import Program, Setting
from steelyard.measure.backends.onnx_runtime import OnnxRunner
from steelyard.measure.backends.open_vino import OpenVinoRunner
from steelyard.measure.export import onnx_file
from steelyard.measure.joining import Event, Run
from steelyard.workload import Workload

SETTLE = 3
"""Inferences before those that count."""

_NUMBER = re.compile(r"sy_(\d+)_")


def runtime_runs(
    program: Program, setting: Setting, count: int
) -> tuple[Workload, tuple[Run, ...], tuple[int | None, ...]]:
    """The workload of the file, ``count`` inferences, and for each event of the first the layer it is named after.

    Raises:
        MissingExtraError: onnx is not installed.
        BackendError: the runtime refused the file, or reported nothing.
    """
    numbered, load = _numbered(program)
    run = _onnx_runs if setting.backend == "onnxruntime" else _openvino_runs
    runs = run(numbered, setting, count)
    if not runs or not runs[0].events:
        raise BackendError(f"{setting.backend} reported no operators")
    layers = capture(str(numbered.onnx_path)).layers
    if [layer.op for layer in layers] != [layer.op for layer in load.layers]:
        raise BackendError(f"{program.name} has other layers under other names")
    names = {layer.name: index for index, layer in enumerate(layers)}
    named = tuple(_layer_of(event, names) for event in runs[0].events)
    return load, runs, named


def _numbered(program: Program) -> tuple[Program, Workload]:
    """The program with a file whose nodes and inner tensors are numbered, and the workload of the file as it was."""
    path = onnx_file(program)
    load = capture(str(path), name=program.name)
    try:
        onnx: Any = importlib.import_module("onnx")
    except ImportError:
        raise MissingExtraError(
            "profiling a runtime", extra="onnxruntime", package="onnx"
        ) from None
    model = onnx.load(str(path))
    graph = model.graph
    if any(a.HasField("g") or len(a.graphs) for node in graph.node for a in node.attribute):
        raise UsageError(
            f"{program.name} has branches or loops of its own, whose operators cannot be told apart",
            expected="a network that always does the same",
        )
    renamed: dict[str, str] = {}
    for number, node in enumerate(graph.node):
        node.name = f"sy_{number}_"
        del node.metadata_props[:]
        for place, name in enumerate(node.output):
            if name:
                node.output[place] = renamed[name] = f"sy_{number}_out{place}"
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
    for output in graph.output:
        output.name = renamed.get(output.name, output.name)
    del graph.value_info[:]
    target = program.folder / "numbered.onnx"
    onnx.save(model, str(target))
    return replace(program, onnx_path=target), load


def _layer_of(event: Event, names: dict[str, int]) -> int | None:
    """By the last number in its name; what only changes a layout is no layer."""
    found = _NUMBER.findall(event.name)
    if not found or event.op.startswith("Reorder"):
        return None
    return names.get(f"sy_{found[-1]}_")


def _onnx_runs(program: Program, setting: Setting, count: int) -> tuple[Run, ...]:
    prefix = program.folder / "profile"
    path = str(program.onnx_path)
    runner = OnnxRunner(program, path, "CPUExecutionProvider", optimised=True, profile=str(prefix))
    with closing(runner):
        for _ in range(SETTLE + count):
            runner.run()
        written = Path(runner.session.end_profiling())
    entries = json.loads(written.read_text("utf-8"))
    whole = [e for e in entries if e.get("cat") == "Session" and e["name"] == "model_run"]
    nodes = [e for e in entries if e.get("cat") == "Node"]
    return tuple(
        Run(
            run["dur"] * 1e-6,
            tuple(
                Event(node["args"]["op_name"], node["dur"] * 1e-6, name=node["name"])
                for node in sorted(nodes, key=lambda node: int(node["ts"]))
                if run["ts"] <= node["ts"] < run["ts"] + run["dur"]
            ),
        )
        for run in sorted(whole, key=lambda run: int(run["ts"]))[SETTLE:]
    )


def _openvino_runs(program: Program, setting: Setting, count: int) -> tuple[Run, ...]:
    """One run: the mean, since OpenVINO reports the mean of all inferences so far."""
    with closing(OpenVinoRunner(program, setting, profile=True)) as runner:
        for _ in range(SETTLE):
            runner.run()
        early = runner.request.profiling_info
        begun = time.perf_counter()
        for _ in range(count):
            runner.run()
        took = (time.perf_counter() - begun) / count
        late = runner.request.profiling_info
    events = []
    for before, after in zip(early, late, strict=True):
        if "EXECUTED" in str(after.status):
            first, last = before.real_time.total_seconds(), after.real_time.total_seconds()
            mean = max(0.0, ((SETTLE + count) * last - SETTLE * first) / count)
            events.append(Event(f"{after.node_type} {after.exec_type}", mean, name=after.node_name))
    return (Run(took, tuple(events)),)
