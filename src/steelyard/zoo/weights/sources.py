"""Where pretrained weights come from: the reader of ``sources.csv`` and the words for its rows.

``benchmarks/weight_sources.py`` writes the rows of torchvision and timm from the libraries' own metadata.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from steelyard.errors import UnknownNameError, UsageError
from steelyard.zoo.preprocessing import Preprocessing

if TYPE_CHECKING:
    from steelyard.zoo.registry import Model


@dataclass(frozen=True, slots=True)
class Source:
    """One file of weights.

    Attributes:
        library: torchvision, timm, or the Python package that carries the file.
        network: the library's name of the network.
        tag: the library's name of this training; "" where there is only one.
        url: https address, "" where only a package carries the file.
        sha256: the file's hash, or its first digits (8 or more) where the publisher states no more.
        package: ``distribution:file`` of a Python package that carries the file; "" for none.
        classes: size of the last layer.
        preprocessing: what the network was trained to see.
        settings: (name, value) of our network's settings without which the weights fit but give other
            outputs than where they were trained.
        licence: as the publisher states it.
    """

    library: str
    network: str
    tag: str
    url: str
    sha256: str
    package: str
    classes: int
    preprocessing: Preprocessing
    settings: tuple[tuple[str, str | float], ...]
    licence: str

    @property
    def name(self) -> str:
        """What one types: ``torchvision:IMAGENET1K_V1``."""
        return f"{self.library}:{self.tag}" if self.tag else self.library


@lru_cache(maxsize=1)
def all_sources() -> tuple[Source, ...]:
    """The rows of ``sources.csv``; of several for one network the first is the default."""
    text = resources.files("steelyard.zoo.weights").joinpath("sources.csv").read_text("utf-8")
    return tuple(_source(row) for row in csv.DictReader(text.splitlines()))


def sources_of(model: Model) -> tuple[Source, ...]:
    """The files of weights for one of our networks: of the very same network elsewhere, or of our own name."""
    return tuple(
        source
        for source in all_sources()
        if model.same_as.get(source.library) == source.network
        or (source.package and not source.url and source.network == model.name)
    )


def find_source(model: Model, name: str) -> Source:
    """The source of that name: ``torchvision``, ``timm:a1_in1k``, or the name of a package.

    Raises:
        UsageError: there are no weights for this network.
        UnknownNameError: there are, but none of that name.
    """
    known = sources_of(model)
    for source in known:
        if name in (source.name, source.library, source.package.partition(":")[0]):
            return source
    if not known:
        raise UsageError(
            f"no published weights are known for {model.name}",
            expected="a network of which torchvision or timm has the very same",
            hint="--weights file.safetensors, .pt or .pth with weights of your own, or weights=",
        )
    raise UnknownNameError(
        f"weights of {model.name}",
        name,
        [source.name for source in known],
        hint="one of " + ", ".join(source.name for source in known) + ", or a file",
    )


def _source(row: Mapping[str, str]) -> Source:
    red, green, blue = (float(value) for value in row["mean"].split())
    std_red, std_green, std_blue = (float(value) for value in row["std"].split())
    return Source(
        library=row["library"],
        network=row["network"],
        tag=row["tag"],
        url=row["url"],
        sha256=row["sha256"],
        package=row["package"],
        classes=int(row["classes"]),
        preprocessing=Preprocessing(
            resize=int(row["resize"]),
            crop=int(row["crop"]),
            interpolation="bicubic" if row["interpolation"] == "bicubic" else "bilinear",
            mean=(red, green, blue),
            std=(std_red, std_green, std_blue),
        ),
        settings=tuple(
            (key, _value(text))
            for key, _, text in (item.partition("=") for item in row["settings"].split())
        ),
        licence=row["licence"],
    )


def _value(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
