"""``steelyard search SPACE --objective macs,error``: the best networks of a search space."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from steelyard.cli._options import cluster_options
from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._signals import ending_in_order
from steelyard.cli._verb import Verb
from steelyard.errors import UsageError

if TYPE_CHECKING:
    from steelyard.hardware.engines import Engine
    from steelyard.train.recipe import Recipe

_PAGES = (".html", ".htm")
_DEVICES = (".yaml", ".yml")


@click.command("search", cls=Verb)
@click.argument("space", metavar="SPACE")
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    required=True,
    metavar="NAME[,NAME]",
    help="Minimised: macs, params, access, peak_memory, latency_ms@cpu, energy_mj@eyeriss, area_mm2@device, naswot, "
    "error; @device is the one that the space searches.",
)
@click.option(
    "--constraint",
    "constraints",
    multiple=True,
    metavar="NAME<=N",
    help="E.g. macs<=300M; repeatable.",
)
@click.option("--trials", type=click.IntRange(1), default=100, show_default=True, help="In all.")
@click.option(
    "--strategy",
    metavar="NAME[:KEY=VALUE,...]",
    help="random, evolution, nsga2, rl; with shared weights: once_for_all, enas, darts, with options such as darts:order=1. "
    "Default: evolution for one objective, nsga2 for several.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all draws.")
@click.option(
    "--store",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep trials here; the same line goes on where it ended.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Networks that are evaluated at once.",
)
@cluster_options("Where they are evaluated")
@click.option(
    "--recipe",
    metavar="NAME|FILE",
    help="For error and shared weights: how to train; its network is replaced.",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Of the recipe, e.g. epochs=2."
)
@click.option(
    "--export",
    "exports",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the best: FILE.toml is the recipe with its network, for steelyard train; FILE.yaml the searched device.",
)
@output_options(
    *FORMATS,
    files=_PAGES,
    path_help="Write to FILE; its ending chooses the form: .html a page with the front and parallel axes, "
    ".csv all trials, .json, .md, .txt.",
)
def command(
    space: str,
    objectives: tuple[str, ...],
    constraints: tuple[str, ...],
    trials: int,
    strategy: str | None,
    seed: int,
    store: Path | None,
    workers: int,
    engine: Engine,
    address: str,
    recipe: str | None,
    overrides: tuple[str, ...],
    exports: tuple[Path, ...],
    output: Output,
) -> None:
    """Search a space of networks for those that no other beats.

    SPACE is a TOML file, or one that comes with steelyard: darts_cifar, digits_mobile, mnasnet, regnetx.

    \b
    steelyard search mnasnet --objective macs --constraint "params<=2M" --trials 500
    steelyard search space.toml --objective params,latency_ms@cpu --store search.db -o front.html
    steelyard search chip.toml --objective energy_mj@device,latency_ms@device,area_mm2@device --export chip.yaml
    steelyard search digits_mobile --objective error,macs --recipe digits_resnet56 --set epochs=3 --export best.toml
    steelyard search digits_mobile --objective error,macs --strategy once_for_all --recipe digits_resnet56 --set epochs=20

    \b
    Options of strategies with shared weights (KEY=VALUE, the defaults shown):
      once_for_all  epochs=0 (the recipe's), held=0.1, between=2, distil=true, ends=true
      enas          epochs=0, held=0.1, steps=30, batch=10, rate=0.0035, entropy=0.0001
      darts         epochs=0, held=0.5, order=2, near=0.01, rate=0.0003, decay=0.001, cost=0.1, layers=0, filters=0
    """
    import steelyard
    from steelyard.report.files import write_file

    chosen = _recipe(recipe, overrides)
    for path in exports:
        _check_export(path, chosen)
    if address and engine != "ray":
        raise UsageError(f"--address {address} without a cluster", expected="--engine ray")
    doing = f"searching {Path(space).stem}"
    # Ray prints its news on stdout, which is for data
    with _resumable(output, store), redirect_stdout(sys.stderr), output.bar(doing) as show:
        result = steelyard.search(
            space, objectives, constraints=constraints, trials=trials, strategy=strategy or "", seed=seed, store=store,
            workers=workers, engine=engine, address=address or "auto", recipe=chosen, progress=show,
        )  # fmt: skip
    if output.picture is not None:
        from steelyard.design.search import save_search

        output.note(f"wrote {save_search(result, output.picture)}")
    else:
        output.show(result)
    for path in exports:
        best = result.best
        text = (
            result.device(best).to_yaml()
            if path.suffix in _DEVICES
            else result.recipe(best).to_toml()
        )
        output.note(f"trial {best.number}: {write_file(path, text)}")


def _check_export(path: Path, recipe: Recipe | None) -> None:
    if path.suffix not in (*_DEVICES, ".toml"):
        raise UsageError(
            f"--export {path}", expected="a .toml for the recipe, or a .yaml for the device"
        )
    if path.suffix == ".toml" and recipe is None:
        raise UsageError(
            f"--export {path} without --recipe", expected="the recipe to write the network into"
        )


@contextmanager
def _resumable(output: Output, store: Path | None) -> Iterator[None]:
    """Whoever stops this is told what is kept."""
    try:
        with ending_in_order():
            yield
    except KeyboardInterrupt:
        if store is not None:
            output.note(f"finished trials are in {store}: the same command goes on from there")
        raise


def _recipe(name: str | None, overrides: tuple[str, ...]) -> Recipe | None:
    if name is None:
        if overrides:
            raise UsageError("--set without --recipe", expected="a recipe to change")
        return None
    import steelyard

    return steelyard.load_recipe(name, overrides)
