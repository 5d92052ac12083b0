"""``steelyard data [get | show]``: the data sets that are known, downloads, and what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.errors import FileFormatError, UsageError

if TYPE_CHECKING:
    from steelyard.data.dataset import Dataset
    from steelyard.data.source import DataSource
    from steelyard.report.table import Cell, Document

_ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where data sets have their folders; default: data in the cache folder.",
)


@click.group("data", invoke_without_command=True)
@_ROOT
@output_options(*FORMATS)
@click.pass_context
def command(ctx: click.Context, root: Path | None, output: Output) -> None:
    """List the data sets that are known; `get` downloads one, `show` counts and pictures its classes.

    \b
    steelyard data
    steelyard data get cifar10
    steelyard data show fashion_mnist -o clothes.png
    """
    if ctx.invoked_subcommand is not None:
        if root is not None or output.path is not None or output.format != "table":
            raise UsageError(
                f"options before {ctx.invoked_subcommand}",
                expected="them after it",
                hint=f"steelyard data {ctx.invoked_subcommand} --help",
            )
        return
    from steelyard.data.registry import data_info, list_data, present
    from steelyard.report.table import Column, Document, Table

    infos = [data_info(name) for name in list_data()]
    found = {info.name: present(info, root) for info in infos}
    columns = (
        Column("name", "name"),
        Column("title", "what it shows", rank=1),
        Column("train", "training"),
        Column("test", "test"),
        Column("classes", "classes"),
        Column("size", "size", rank=2),
        Column("here", "here"),
        Column("licence", "licence", rank=3),
        Column("published", "source", rank=4),
    )
    rows = tuple(_row(info, found[info.name]) for info in infos)
    notes = tuple(f"{name}: {path}" for name, path in found.items() if path is not None)
    data: dict[str, object] = {
        "schema": "steelyard.data/1",
        "data": [_entry(info, found[info.name]) for info in infos],
    }
    title = f"{len(rows)} data sets"
    output.show(data, Document(title, tables=(Table("", columns, rows),), notes=notes))


def _row(info: DataSource, found: Path | None) -> tuple[Cell, ...]:
    from steelyard.data.source import SPLITS

    size = "x".join(map(str, info.shape)) if info.shape else "any"
    return (
        info.name,
        info.title,
        *(f"{count:,}" if count else "" for count in map(info.counts.get, SPLITS)),
        str(len(info.classes) or ""),
        size,
        _here(info, found),
        info.licence,
        info.published,
    )


def _here(info: DataSource, found: Path | None) -> str:
    if info.needs == "nothing" or found is not None:
        return "yes"
    if info.needs == "place":
        return info.help
    return "get" if info.downloads else "no"


def _entry(info: DataSource, found: Path | None) -> dict[str, object]:
    return {
        "name": info.name,
        "title": info.title,
        "counts": dict(info.counts),
        "classes": list(info.classes),
        "shape": None if info.shape is None else list(info.shape),
        "mean": list(info.mean),
        "std": list(info.std),
        "statistics": info.statistics,
        "needs": info.needs,
        "present": info.needs == "nothing" or found is not None,
        "path": None if found is None else str(found),
        "published": info.published,
        "licence": info.licence,
        "downloads": [
            {"url": file.url, "bytes": file.size, "sha256": file.sha256, "md5": file.md5 or None}
            for file in info.downloads
        ],
    }


@command.command("get")
@click.argument("name")
@_ROOT
@output_options()
def get(name: str, root: Path | None, output: Output) -> None:
    """Download a data set; what was cut off is continued, and every file is checked by its hash.

    \b
    steelyard data get mnist
    steelyard data get cifar10 --root /big/disk
    """
    from steelyard._download import progress_line
    from steelyard.data.fetch import get_data
    from steelyard.report.table import Document

    path = get_data(name, root=root, shown=lambda what: progress_line(what, quiet=output.quiet))
    data: dict[str, object] = {"schema": "steelyard.data-get/1", "name": name, "path": str(path)}
    output.show(data, Document(f"{name}: {path}"))


@command.command("show")
@click.argument("source")
@click.option("--split", type=click.Choice(["train", "test"]), default="test", show_default=True)
@click.option("--each", type=click.IntRange(1, 100), default=12, show_default=True, help="Pictures of a class, for -o FILE.png.")  # fmt: skip
@_ROOT
@output_options(
    *FORMATS, files=(".png",), path_help="Write to FILE: .png some pictures of each class, else .txt, .md, .csv, .json."
)  # fmt: skip
def show(source: str, split: str, each: int, root: Path | None, output: Output) -> None:
    """Count the images of each class, or picture some of them with -o FILE.png.

    \b
    steelyard data show digits
    steelyard data show folder:photos --split train -o classes.png
    """
    from steelyard.data.registry import data_info, load_data
    from steelyard.data.sheet import MAX_CLASSES, class_counts, contact_sheet
    from steelyard.report.files import write_file

    with output.working(f"reading {source}"):
        dataset = load_data(source, split, root=root)
    if output.picture:
        with output.working("drawing"):
            picture, wrong = contact_sheet(dataset, each)
        for problem in wrong:
            output.warn(problem)
        if len(dataset.classes) > MAX_CLASSES:
            output.warn(f"{len(dataset.classes):,} classes; the first {MAX_CLASSES} are drawn")
        output.note(f"wrote {write_file(output.picture, picture)}")
        return
    counts = class_counts(dataset)
    size = _size(dataset, output)
    data: dict[str, object] = {
        "schema": "steelyard.data-show/1",
        "name": dataset.name,
        "split": dataset.split,
        "images": len(dataset),
        "first_shape": size,
        "fingerprint": dataset.fingerprint,
        "classes": [{"name": n, "images": c} for n, c in zip(dataset.classes, counts, strict=True)],
    }
    title = f"{source}, {split}: {len(dataset):,} images"
    if size:
        title += f", the first of {'x'.join(map(str, size))}"
    output.show(
        data, _classes_document(title, dataset, counts, data_info(source.partition(":")[0]))
    )


def _classes_document(
    title: str, dataset: Dataset, counts: Sequence[int], info: DataSource
) -> Document:
    from steelyard.report.table import Column, Document, Table

    columns = (
        Column("label", "label", "count"),
        Column("class", "class"),
        Column("images", "images", "count"),
        Column("share", "share", "share", bar=True),
    )
    rows = tuple(
        (label, name, count, count / len(dataset))
        for label, (name, count) in enumerate(zip(dataset.classes, counts, strict=True))
    )
    notes = [f"fingerprint {dataset.fingerprint[:16]}"]
    if info.mean:
        mean, std = (" ".join(map(str, values)) for values in (info.mean, info.std))
        notes.append(f"mean {mean}, std {std} ({info.statistics})")
    if info.published:
        notes.append(f"{info.published}; licence: {info.licence}")
    return Document(title, tables=(Table("", columns, rows),), notes=tuple(notes))


def _size(dataset: Dataset, output: Output) -> list[int] | None:
    """(C, H, W) of the first image, None if it cannot be read."""
    try:
        return list(dataset.image(0).shape)
    except FileFormatError as error:
        output.warn(error.given)
        return None
