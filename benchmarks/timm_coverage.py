"""Which networks of timm or torchvision steelyard captures completely, and whether its engines agree.

Run: ``python benchmarks/timm_coverage.py [--library torchvision] [--shard 0/2] [--only 'resnet*']``
    ``python benchmarks/timm_coverage.py --sample 60``   a spread sample
    ``python benchmarks/timm_coverage.py --together``    all in one process, so that what the fast engine
    remembers of one network's operators is used for the next; quicker, but a crash ends the run
    ``python benchmarks/timm_coverage.py --table``       only writes the table from what is there

Each network is built (on the meta device where its code allows, so that nothing is allocated) and captured
in a child process with a time limit; one line of JSON per network goes to out/coverage_LIBRARY.jsonl, and
networks that are there already are skipped, so the run can be stopped and resumed. The table goes to
results/LIBRARY_coverage.md.

Every network is captured twice: by the fast engine (``method="shapes"``) and by plain dispatch on meta
tensors (``method="meta"``); both must find the same workload, edge by edge.

What counts as a CNN: at least one convolution with a filter of more than one tap and a stride smaller than
the filter (a patch embedding is none), and no product of two activations (attention, matmul).
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import json
import os
import sys
import time
import warnings
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from common import HERE, in_child, machine, markdown, publish

OUT = HERE.parent / "out"


# ---- the networks ------------------------------------------------------------------------------


def names_of(library: str) -> list[str]:
    """All classification names of timm; all of torchvision that take one batch of images or clips."""
    importlib.import_module("torchvision_stub")
    if library == "timm":
        return list(importlib.import_module("timm").list_models())
    models = importlib.import_module("torchvision").models
    groups = (models, models.segmentation, models.quantization, models.video)
    return [name for group in groups for name in models.list_models(module=group)]


def input_shape(library: str, name: str, model: Any) -> tuple[int, ...]:
    """Batch of one at the size that the library's configuration names."""
    if library == "timm":
        config = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", {})
        return (1, *(config.get("input_size") or (3, 224, 224)))
    if "inception_v3" in name:
        return (1, 3, 299, 299)
    video = importlib.import_module("torchvision").models.video
    if hasattr(video, name):
        return (1, 3, 16, 224, 224)
    return (1, 3, 224, 224)


def builder(library: str, name: str) -> Any:
    """A function that makes the network."""
    if library == "timm":
        create = importlib.import_module("timm").create_model
        return lambda: create(name)
    models = importlib.import_module("torchvision").models
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3", "quantized_googlenet", "quantized_inception_v3"):
        options["init_weights"] = False
    if hasattr(models.segmentation, name):
        options["weights_backbone"] = None
    return lambda: models.get_model(name, **options)


def build(library: str, name: str) -> tuple[Any, str]:
    """(the network in eval mode, the device that it could be built on)."""
    make = builder(library, name)
    for device in ("meta", "cpu"):
        try:
            with torch.no_grad(), torch.device(device) if device == "meta" else nullcontext():
                return make().eval(), device
        except Exception:
            if device == "cpu":
                raise
    raise AssertionError


# ---- one network -------------------------------------------------------------------------------


def is_cnn(workload: Any) -> bool:
    """See the module's docstring."""
    if any(layer.kind in ("attention", "matmul") for layer in workload.layers):
        return False
    nests = [nest for layer in workload.layers if layer.kind == "conv" for nest in layer.nests]
    return any(
        size > step for nest in nests for size, step in zip(nest.kernel, nest.stride, strict=True)
    )


def difference(fast: Any, plain: Any) -> str:
    """The first thing that two captures of one network disagree on, "" if there is none.

    Equal digests mean equal layers, tensors, names and data flow.
    """
    if fast.digest == plain.digest:
        return ""
    for what in ("macs", "params"):
        if getattr(fast, what) != getattr(plain, what):
            return f"{what} {getattr(fast, what):,} against {getattr(plain, what):,}"
    if len(fast.layers) != len(plain.layers):
        return f"{len(fast.layers)} layers against {len(plain.layers)}"
    for one, other in zip(fast.layers, plain.layers, strict=True):
        if one != other:
            return f"layer {one} against {other}"
    unlike = [t.name for t, u in zip(fast.tensors, plain.tensors, strict=True) if t != u]
    return f"tensors {unlike[:3]}"


def look_at(library: str, name: str) -> dict[str, Any]:
    """The record of one network."""
    import steelyard as sy

    warnings.simplefilter("ignore")
    start = time.perf_counter()
    model, device = build(library, name)
    record: dict[str, Any] = {
        "name": name,
        "device": device,
        "build_s": time.perf_counter() - start,
    }
    shape = input_shape(library, name, model)
    record["input_shape"] = shape
    found: dict[str, Any] = {}
    for method in ("shapes", "meta", "auto"):
        if method == "auto" and "shapes" in found:
            continue
        start = time.process_time()
        try:
            found[method] = sy.capture(model, input_shape=shape, method=method)
        except Exception as error:
            record[f"{method}_error"] = f"{type(error).__name__}: {error}".replace("\n", "; ")
        record[f"{method}_s"] = time.process_time() - start
    workload = found.get("shapes") or found.get("auto") or found.get("meta")
    if workload is None:
        return record
    record |= {
        "macs": workload.macs,
        "params": workload.params,
        "layers": len(workload.layers),
        "coverage": workload.coverage.fraction,
        "unknown": list(workload.coverage.unknown),
        "cnn": is_cnn(workload),
        "warnings": list(workload.warnings),
    }
    if "shapes" in found and "meta" in found:
        record["disagree"] = difference(found["shapes"], found["meta"])
    return record


# ---- all of them -------------------------------------------------------------------------------


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Records so far, the last one of each name."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return {record["name"]: record for record in lines}


def run(options: argparse.Namespace, path: Path) -> None:
    """Looks at what is asked for and not there yet."""
    names = [n for n in names_of(options.library) if fnmatch.fnmatch(n, options.only)]
    if options.sample:
        names = names[:: max(1, len(names) // options.sample)]
    part, parts = (int(number) for number in options.shard.split("/"))
    done = read(path)
    if options.again:  # those that were not perfect
        done = {name: record for name, record in done.items() if not trouble(record)}
    path.parent.mkdir(exist_ok=True)
    todo = [name for name in names[part::parts] if name not in done]
    # one network before the first fork, so that every child starts with the libraries loaded
    look_at("torchvision", "resnet18")
    for number, name in enumerate(todo):
        if options.together:
            state, value = "ok", look_at(options.library, name)
        else:
            state, value = in_child(
                lambda name=name: look_at(options.library, name), limit_s=options.limit
            )
        record = (
            value if state == "ok" else {"name": name, "failed": str(value).replace("\n", "; ")}
        )
        with path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(f"{number + 1}/{len(todo)} {name}: {trouble(record) or 'complete'}", file=sys.stderr)


def trouble(record: dict[str, Any]) -> str:
    """What is wrong with a network's capture, "" if nothing."""
    if "failed" in record:
        return f"could not be built or looked at: {record['failed']}"
    said = [
        f"{m} engine: {record[f'{m}_error']}"
        for m in ("shapes", "meta", "auto")
        if f"{m}_error" in record
    ]
    if record.get("unknown"):
        said.append("unknown " + ", ".join(f"{op} {times}x" for op, times in record["unknown"]))
    if record.get("disagree"):
        said.append(f"engines disagree: {record['disagree']}")
    return "; ".join(said)


def table(library: str, records: dict[str, dict[str, Any]]) -> str:
    """The summary, and every network that is not perfect, by name."""
    seen = [r for r in records.values() if "failed" not in r]
    cnns = [r for r in seen if r.get("cnn")]
    unknown: Counter[str] = Counter()
    for record in seen:
        unknown.update({op: 1 for op, _ in record.get("unknown", [])})

    def row(title: str, group: list[dict[str, Any]]) -> list[object]:
        captured = [r for r in group if "macs" in r]
        full = [r for r in captured if r["coverage"] == 1.0]
        both = [r for r in captured if "disagree" in r]
        same = [r for r in both if not r["disagree"]]
        share = f"{len(full)} ({100 * len(full) / len(group):.1f} %)" if group else "0"
        return [title, len(group), len(captured), share, f"{len(same)} of {len(both)}"]

    times = sorted(
        r["meta_s"] / r["shapes_s"] for r in seen if r.get("shapes_s") and "disagree" in r
    )
    problems = {n: trouble(r) for n, r in sorted(records.items()) if trouble(r)}
    speed = f"{times[len(times) // 2]:.1f}" if times else "-"
    parts = [
        f"# Coverage of {library}",
        "",
        f"{len(records)} names. A CNN here has a convolution wider than its stride and no product of two",
        "activations. Engines agree where the fast engine and plain dispatch on meta tensors find the same",
        "workload: every layer, tensor, name and edge of the data flow.",
        "",
        markdown(
            ["networks", "n", "captured", "every operator known", "engines agree"],
            [
                row("CNNs", cnns),
                row("others", [r for r in seen if not r.get("cnn")]),
                row("all", seen),
            ],
        ),
        "",
        f"In the median the fast engine took 1/{speed} of the plain engine's CPU time in this run.",
        "",
        "## Operators that no rule knows",
        "",
        *([f"- `{op}`: {count} networks" for op, count in unknown.most_common()] or ["None."]),
        "",
        "## Networks with anything to report",
        "",
        *([f"- `{name}`: {why[:400]}" for name, why in problems.items()] or ["None."]),
        "",
        machine(),
    ]
    return "\n".join(parts)


def main() -> None:
    """Reads options, runs, writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--library", choices=("timm", "torchvision"), default="timm")
    parser.add_argument("--shard", default="0/1", help="i/n: every n-th network from the i-th")
    parser.add_argument("--only", default="*", help="pattern of names")
    parser.add_argument("--sample", type=int, default=0, help="about so many, spread over the list")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one network")
    parser.add_argument(
        "--together",
        action="store_true",
        help="no child processes: what was learnt of one network's operators is used for the next",
    )
    parser.add_argument("--again", action="store_true", help="repeat networks that had trouble")
    parser.add_argument("--table", action="store_true", help="write the table from earlier runs")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    path = OUT / f"coverage_{options.library}.jsonl"
    if not options.table:
        run(options, path)
    publish(f"{options.library}_coverage.md", table(options.library, read(path)))


if __name__ == "__main__":
    main()
