"""``steelyard train RECIPE``: trains a network, or goes on with a training."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._verb import Verb
from steelyard.errors import UsageError

if TYPE_CHECKING:
    from steelyard.report.table import Document
    from steelyard.train.progress import Moment


@click.command("train", cls=Verb)
@click.argument("recipe", default="")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting of the recipe, e.g. optimizer.lr=0.05; may be repeated.")  # fmt: skip
@click.option("--run", "--folder", "folder", type=click.Path(path_type=Path), help="Folder for everything; default: runs/ and the recipe's name.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with the run in that folder.")
@click.option("--list", "listing", is_flag=True, help="List the recipes that come with steelyard.")
@click.option("--show", is_flag=True, help="Print the recipe with every setting, and train nothing.")  # fmt: skip
@click.option("--device", metavar="NAME", default="auto", show_default=True, help="cpu, cuda, cuda:1; auto: CUDA where there is some.")  # fmt: skip
@click.option("--data-root", type=click.Path(path_type=Path), help="The folder in which data sets have their folders.")  # fmt: skip
@click.option("--save-steps", type=click.IntRange(0), default=0, metavar="N", help="Save every N steps, besides after every epoch.")  # fmt: skip
@click.option("--save-seconds", type=click.FloatRange(0), default=300.0, show_default=True, help="Save when so long is over; 0: not by time.")  # fmt: skip
@click.option("--keep-every", type=click.IntRange(0), default=0, metavar="N", help="Keep the checkpoint of every N-th epoch, besides the last two and the best.")  # fmt: skip
@output_options(*FORMATS, files=(".toml",))
def command(
    recipe: str,
    overrides: tuple[str, ...],
    folder: Path | None,
    resume: bool,
    listing: bool,
    show: bool,
    device: str,
    data_root: Path | None,
    save_steps: int,
    save_seconds: float,
    keep_every: int,
    output: Output,
) -> None:
    """Train a network by RECIPE: one that comes with steelyard, a TOML file, or the folder of a run.

    Ctrl-C saves first. After any end, even of the machine, --resume goes on from the last checkpoint, and on one
    CPU comes to the very same weights.

    \b
    steelyard train digits_lenet
    steelyard train digits_lenet --set optimizer.lr=0.02 --set seed=2 --run runs/slower
    steelyard train runs/slower --resume
    steelyard train --list
    torchrun --nproc-per-node 2 -m steelyard train digits_lenet --folder runs/two
    """
    from steelyard.train.toml import list_recipes, load_recipe

    if listing:
        output.show(*_listing(list_recipes()))
        return
    if not recipe:
        raise UsageError("no recipe", expected="a name or a file", hint="steelyard train --list")
    chosen = load_recipe(recipe, overrides)
    if show:
        output.write(chosen.to_toml())
        return
    if folder is None and (Path(recipe) / "recipe.toml").is_file():
        folder = Path(recipe)
    import steelyard
    from steelyard.train.processes import leads

    if not leads():  # of several processes the first speaks
        output = replace(output, quiet=True)
    with _watching(output) as watch:
        run = steelyard.train(
            chosen,
            run=folder,
            resume=resume,
            device=device,
            data_root=data_root,
            checkpoint_steps=save_steps,
            checkpoint_seconds=save_seconds,
            keep_epochs=keep_every,
            progress=watch,
            say=output.warn,
        )
    if leads():
        output.show(run)


def _listing(names: tuple[str, ...]) -> tuple[dict[str, object], Document]:
    from steelyard.report.table import Cell, Column, Document, Table
    from steelyard.train.toml import load_recipe

    columns = (
        Column("recipe", "recipe"),
        Column("network", "network", rank=2),
        Column("data", "data", rank=1),
        Column("epochs", "epochs", "count", rank=3),
        Column("about", "what it is", wrap=True),
    )
    recipes = [load_recipe(name) for name in names]
    rows: list[tuple[Cell, ...]] = [
        (one.name, one.network.name, one.data.source, one.epochs, one.about) for one in recipes
    ]
    data: dict[str, object] = {
        "schema": "steelyard.recipes/1",
        "recipes": [one.to_dict() for one in recipes],
    }
    note = (
        "steelyard train NAME --show prints one with every setting and the source of its figures."
    )
    title = f"{len(rows)} recipe{'' if len(rows) == 1 else 's'}"
    return data, Document(title, tables=(Table("", columns, tuple(rows)),), notes=(note,))


@contextmanager
def _watching(output: Output) -> Iterator[Callable[[Moment], None] | None]:
    """Bars on a terminal's stderr; a line for each epoch where it is none; nothing if quiet."""
    if output.quiet:
        yield None
    elif sys.stderr.isatty():
        with _bars() as watch:
            yield watch
    else:
        yield lambda moment: output.note(_words(moment)) if moment.phase == "end" else None


def _words(moment: Moment) -> str:
    text = f"epoch {moment.epoch}/{moment.epochs}"
    if moment.loss is not None and moment.top1 is not None and moment.lr is not None:
        text += f"  loss {moment.loss:.3f}  top-1 {moment.top1:.1f} %  lr {moment.lr:.2g}"
    if moment.images_per_s is not None:
        text += f"  {moment.images_per_s:,.0f} images/s"
    if moment.test_top1 is not None:
        text += f"  test {moment.test_top1:.2f} %"
    return text


@contextmanager
def _bars() -> Iterator[Callable[[Moment], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns: Any = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Remaining(),
        TextColumn("{task.fields[words]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        epochs = progress.add_task("epochs", words="")
        batches = progress.add_task("training", words="")

        def watch(moment: Moment) -> None:
            share = moment.done / moment.total if moment.phase == "train" else 1.0
            progress.update(epochs, total=moment.epochs, completed=moment.epoch - 1 + share)
            doing = "testing" if moment.phase == "test" else "training"
            progress.update(batches, description=doing, total=moment.total, completed=moment.done)
            if moment.phase != "test":
                progress.update(batches, words=_words(moment))

        yield watch
