"""The networks that the latency predictor is judged by, and their measured times as lines of JSON.

    ``python benchmarks/predictor_networks.py --export``            writes the ONNX files: minutes, no quiet needed
    ``python benchmarks/predictor_networks.py --limit 200``         measures: on a quiet machine, for so many seconds

A row is one network in PyTorch eager or ONNX Runtime, float32, batch 1, measured as `steelyard measure` does: in a
process of its own (forked, which spares loading PyTorch each time) with its threads pinned, its outputs compared
first, and warmed up.
The network with the fewest rows comes first, so the script can be run in as many quiet minutes as there are, and what
differs from one to the next shows how well a time can be known at all.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common import HERE, in_child

BACKENDS = ("eager", "onnxruntime")
NETWORKS = (
    "alexnet alexnet_owt zfnet overfeat_fast vgg11 vgg13_bn vgg16 resnet18 resnet34 resnet50 resnet101 preresnet18 "
    "preresnet50 wide_resnet18_2 wide_resnet50_2 resnext50_32x4d seresnet18 seresnet50 seresnext50_32x4d googlenet "
    "googlenet_bn bninception inception_v3 inception_resnet_v1 inception_v4 xception densenet121 densenet169 "
    "condensenet74_c4_g4 squeezenet1_0 squeezenet1_1 sqnxt23_w1 sqnxt23_w2 mobilenet_v1 mobilenet_v2 mobilenetv2_050 "
    "mobilenetv2_140 mobilenet_v3_large mobilenet_v3_small mnasnet0_5 mnasnet1_0 semnasnet_100 efficientnet_b0 "
    "efficientnet_b1 efficientnet_b2 efficientnet_lite0 efficientnet_lite2 shufflenet_v1_g1 shufflenet_v1_g3 "
    "shufflenet_v1_g8 shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x2_0 nasnet_mobile pnasnet5_mobile "
    "amoebanet_a_mobile darts_v2_imagenet pvanet randwire_small hrnet_w18_small drn_c_26 msdnet5_step4"
).split()
TOGETHER = (
    ("AlexNet", "AlexNet (one column)", "ZFNet"),
    ("GoogLeNet", "GoogLeNet (BN)", "BN-Inception"),
    ("Inception v3", "Inception v4", "Inception-ResNet"),
    ("ResNet", "WideResNet"),
    ("MobileNetV2", "MnasNet"),
    ("EfficientNet", "EfficientNet-Lite"),
)
"""Families of the zoo that share most of their layers: they are left out together."""

ROWS = HERE / "results" / "predictor_rows.jsonl"
EXPORTS = HERE.parent / "out" / "predictor"
WARM_S, SAMPLES_S, WINDOW_S, PATIENCE_S = 0.3, 0.7, 0.25, 4.0
BUSY = 0.12
"""Cores that other programs may keep busy, or a window is thrown away."""


def family(network: str) -> str:
    """The group that is left out as a whole."""
    import steelyard as sy

    own = sy.info(network).family
    return next((" / ".join(group) for group in TOGETHER if own in group), own)


def load_rows() -> list[dict[str, Any]]:
    """Every row so far."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def export(network: str) -> None:
    """Writes the ONNX file that later measurements read."""
    from dataclasses import asdict

    from steelyard.measure.session import Job
    from steelyard.measure.sharing import export as write

    folder = EXPORTS / network
    folder.mkdir(parents=True, exist_ok=True)
    write(asdict(Job(network, "eager", folder=str(folder))))


def measure(network: str, backend: str, cores: frozenset[int]) -> dict[str, Any]:
    """One row, in this process: prepare and compare as `steelyard measure` does, warm up, sample."""
    from steelyard.measure.environment import environment, machine_key
    from steelyard.measure.session import Job, Session

    job = Job(network, backend, warmup_s=0.0, folder=str(EXPORTS / network))
    with Session(job, cores=cores) as session:
        session.prepare()
        session.samples(WARM_S, 4)
        taken, others = undisturbed(session)
    if not taken:
        raise RuntimeError(f"never undisturbed, {others:.2f} cores busy with others")
    return {
        "network": network,
        "family": family(network),
        "backend": backend,
        "median_s": float(np.median(taken)),
        "samples": len(taken),
        "p10_s": float(np.quantile(taken, 0.1)),
        "p90_s": float(np.quantile(taken, 0.9)),
        "others": others,
        "machine": machine_key(environment()),
    }


def undisturbed(session: Any) -> tuple[list[float], float]:
    """Samples of the windows in which other programs hardly did anything, and the cores that they kept busy in them."""
    from steelyard.measure.predictor.bystanders import Bystanders

    taken: list[float] = []
    busy: list[float] = []
    begun = time.perf_counter()
    while sum(taken) < SAMPLES_S and time.perf_counter() - begun < PATIENCE_S:
        around = Bystanders()
        window = session.samples(WINDOW_S, 2)
        busy.append(around.cores() or 0.0)
        if busy[-1] <= BUSY:
            taken += window
        else:
            time.sleep(WINDOW_S)
    return taken, float(np.median([b for b in busy if b <= BUSY] or busy))


def pinned() -> frozenset[int]:
    """The cores of this process, which begins anew with as many pinned threads if it was not begun so."""
    from steelyard.measure.child import available_cores, thread_environment
    from steelyard.measure.seats import cores_here

    wanted = thread_environment(available_cores(), pinned=True)
    if any(os.environ.get(key) != value for key, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], wanted)
    return cores_here()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--export", action="store_true", help="only write the ONNX files")
    parser.add_argument(
        "--limit", type=float, default=200.0, help="seconds after which none begins"
    )
    asked = parser.parse_args()
    begun = time.perf_counter()
    names = asked.networks.split(",")
    if asked.export:
        for name in names:
            if not Path(EXPORTS / name / "network.onnx").exists():
                export(name)
                print(name, file=sys.stderr)
        return
    cores = pinned()
    import steelyard.measure.backends.eager
    import steelyard.measure.program  # noqa: F401  (PyTorch, once for all children)
    from steelyard.measure.predictor.canary import canary

    count = Counter(row["network"] for row in load_rows())
    for name in sorted(names, key=lambda name: count[name]):
        if time.perf_counter() - begun > asked.limit:
            break
        said = [name]
        for backend in BACKENDS:
            before = canary()
            state, row = in_child(partial(measure, name, backend, cores), limit_s=90.0)
            sung = [max(pair) for pair in zip(before, canary(), strict=True)]
            if state != "ok":
                print(name, backend, row, file=sys.stderr)
                continue
            row |= {
                "canary": sung,
                "load": os.getloadavg()[0],
                "taken_at": time.strftime("%Y-%m-%dT%H:%M:%S"),
            }
            with ROWS.open("a") as file:
                file.write(json.dumps(row) + "\n")
            said.append(f"{row['median_s'] * 1e3:.2f} ms")
        print(*said, f"{time.perf_counter() - begun:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
