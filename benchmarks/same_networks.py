"""Whether networks of ours that claim to be torchvision's or timm's give the same outputs from the same weights.

Run: ``python benchmarks/same_networks.py [PATTERN...]``     e.g. 'resnet*'; all without one
    ``python benchmarks/same_networks.py --library timm``   one library only

For every named network with a `same_as`, the library builds its own with random weights and random statistics of
batch normalisation; these are loaded into ours as `create(..., weights=...)` would, and both are run on random
images, one of the network's own size and, where both take it, one of odd height and width. The largest
difference must stay below 1e-5 of the largest output, in float32 or, where rounding alone exceeds that, in float64.
The table goes to results/same_networks.md; exit status 1 if one differs.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import os
import sys
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn

from common import in_child, machine, markdown, publish
from steelyard.zoo.registry import create, default_input_shape, default_registry, list_models
from steelyard.zoo.weights.fit import fit

LIMIT = 1e-5
ODD = (129, 97)
LARGEST = 331
"""Networks for larger images are run at this size if they take it: the same code, in less time."""


def main() -> int:
    """Exit status: 0 if all outputs agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("patterns", nargs="*", default=["*"])
    parser.add_argument("--library", choices=("torchvision", "timm"))
    options = parser.parse_args()
    importlib.import_module("torchvision_stub")
    importlib.import_module("torchvision")
    importlib.import_module("timm")
    registry, rows, failed = default_registry(), [], 0
    for name in list_models():
        if not any(fnmatch.fnmatch(name, pattern) for pattern in options.patterns):
            continue
        for library, theirs in registry.find(name)[1].same_as.items():
            if library not in ("torchvision", "timm") or options.library not in (None, library):
                continue
            state, found = in_child(lambda: compare(name, library, theirs), limit_s=600)  # noqa: B023
            same = state == "ok" and found["difference"] <= LIMIT
            failed += not same
            rows.append([name, library, theirs, *words(state, found), "yes" if same else "NO"])
            print(*rows[-1], sep="  ", file=sys.stderr, flush=True)
    report(rows, failed, whole=options.patterns == ["*"] and options.library is None)
    return 1 if failed or not rows else 0


def words(state: str, found: Any) -> list[str]:
    """The cells of a comparison, or of what prevented it."""
    if state != "ok":
        return ["", "", "", " ".join(str(found).split())[:160]]
    return [
        str(found["tensors"]),
        ", ".join(found["sizes"]),
        found["dtype"],
        f"{found['difference']:.1e}" if found["difference"] else "0",
    ]


def report(rows: list[list[str]], failed: int, *, whole: bool) -> None:
    """Writes the table of a whole run, prints that of a part."""
    header = ("network", "library", "its name", "tensors", "images", "type", "difference", "same")
    text = "\n\n".join(
        [
            "# The same networks as torchvision's and timm's",
            "Their weights and statistics, drawn at random, loaded into ours; the largest difference of an output, "
            f"as a part of the largest output. Limit {LIMIT:g}. {len(rows) - failed} of {len(rows)} agree.",
            markdown(header, rows, left=3),
            machine(),
        ]
    )
    if whole:
        publish("same_networks.md", text)
    else:
        print(text)


def compare(name: str, library: str, theirs: str) -> dict[str, Any]:
    """The largest relative difference over the images."""
    torch.manual_seed(0)
    other, own = build(library, theirs), create(name)
    randomize(other)
    family, _ = default_registry().find(name)
    state = other.state_dict()
    keys = family.keys.get(library, ())
    fit(own, state, [keys], what=theirs, classes=1000)
    own.eval()
    other.eval()
    _, channels, side, _ = default_input_shape(name)
    found, dtype = run(own, other, channels, side), "float32"
    if max(found.values()) > LIMIT:
        found, dtype = run(own.double(), other.double(), channels, side), "float64"
    return {
        "tensors": len(state),
        "sizes": list(found),
        "dtype": dtype,
        "difference": max(found.values()),
    }


def build(library: str, name: str) -> nn.Module:
    """Their network with random weights."""
    if library == "timm":
        return importlib.import_module("timm").create_model(name, pretrained=False)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return importlib.import_module("torchvision").models.get_model(name, weights=None, **options)


def randomize(network: nn.Module) -> None:
    """Weights that keep signals alive to the end; normalisation with statistics that change something."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for value, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 1.5),
                (module.weight, 0.6, 1.4),
                (module.bias, -0.2, 0.2),
            ):
                if value is not None:
                    nn.init.uniform_(value, low, high)


def run(own: nn.Module, other: nn.Module, channels: int, side: int) -> dict[str, float]:
    """Relative difference by the size of the image; every network must take at least one."""
    found: dict[str, float] = {}
    dtype = next(own.parameters()).dtype
    last: Exception | None = None
    for height, width in dict.fromkeys([(min(side, LARGEST),) * 2, ODD, (side, side)]):
        if found and (height, width) == (side, side):
            break
        image = torch.randn(2, channels, height, width, dtype=dtype)
        try:
            with torch.inference_mode():
                a, b = own(image), other(image)
        except Exception as error:
            last = error
            continue
        found[f"{height}x{width}"] = difference(a, b)
    if not found:
        raise RuntimeError(f"neither size runs: {last}")
    return found


def difference(a: Tensor, b: Tensor) -> float:
    """Of outputs that depend on the image; otherwise agreeing says nothing."""
    spread = (b[0] - b[1]).abs().max() / b.abs().max()
    if not bool(torch.isfinite(b).all()) or float(spread) < 1e-3:
        raise RuntimeError(f"their outputs say nothing: spread {float(spread):.1e}")
    return float((a - b).abs().max() / b.abs().max())


if __name__ == "__main__":
    sys.exit(main())
