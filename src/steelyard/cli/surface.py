"""``steelyard surface RUN|NET``: the loss around a network, or between two."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from steelyard.cli._output import FORMATS, PICTURES, Output, output_options
from steelyard.cli._subject import subject_options
from steelyard.cli._verb import Verb


@click.command("surface", cls=Verb)
@subject_options(split="train", batch=128)
@click.option("--dimensions", type=click.IntRange(1, 2), default=2, show_default=True, help="A line or a plane.")  # fmt: skip
@click.option("--range", "extent", type=float, nargs=2, metavar="LOW HIGH", help="Of the axes; default: -1 1, between two networks -0.5 1.5.")  # fmt: skip
@click.option("--steps", type=click.IntRange(2), default=25, show_default=True, help="Points along an axis.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the directions and the choice of samples.")  # fmt: skip
@click.option("--normalise", type=click.Choice(["filter", "layer", "none"]), default="filter", show_default=True, help="Random directions by what.")  # fmt: skip
@click.option("--all-parameters", is_flag=True, help="Move biases and normalisations, too.")
@click.option("--statistics", type=click.Choice(["kept", "recomputed"]), default="kept", show_default=True, help="Of batch normalisation.")  # fmt: skip
@click.option("--samples", type=click.IntRange(0), default=1024, show_default=True, help="Images; 0: all.")  # fmt: skip
@click.option("--towards", type=click.Path(exists=True, path_type=Path), metavar="FILE", help="Other weights of the network: the line between the two.")  # fmt: skip
@click.option("--way", multiple=True, type=click.Path(exists=True, path_type=Path), metavar="RUN|FILE", help="A run, for its checkpoints, or weights of its training, in order; repeated: the plane of their principal components.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--store", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where points are kept; default: in the cache folder.")  # fmt: skip
@output_options(*FORMATS, files=PICTURES, path_help="Write to FILE; its ending chooses the form: .png, .svg, .pdf contours and the surface, .html a page, .csv, .json, .md, .txt.")  # fmt: skip
def command(
    network: str,
    data: str | None,
    split: str,
    weights: str | None,
    checkpoint: Literal["best", "last"],
    transforms: tuple[str, ...],
    dimensions: int,
    extent: tuple[float, float] | None,
    steps: int,
    seed: int,
    normalise: Literal["filter", "layer", "none"],
    all_parameters: bool,
    statistics: Literal["kept", "recomputed"],
    samples: int,
    batch: int,
    towards: Path | None,
    way: tuple[Path, ...],
    workers: int,
    store: Path | None,
    output: Output,
) -> None:
    """Print the loss around a network on a plane of filter-normalised random directions.

    As in Li et al. 2018. Points are kept as soon as they are done: after any end the same command goes on.

    \b
    steelyard surface runs/digits_lenet -o surface.png --workers 2
    steelyard surface runs/a --dimensions 1 --steps 51 -o line.csv
    steelyard surface runs/a --checkpoint last --way runs/a
    steelyard surface runs/a --towards runs/b/checkpoints/00000690/model.safetensors
    """
    import steelyard

    low, high = extent or ((-1.0, 1.0) if towards is None else (-0.5, 1.5))
    settings = steelyard.SurfaceSettings(
        dimensions=dimensions,
        low=low,
        high=high,
        steps=steps,
        seed=seed,
        normalise=normalise,
        vectors=all_parameters,
        statistics=statistics,
        samples=samples,
        batch=batch,
    )
    with output.bar(f"loss around {network}") as show:
        found = steelyard.loss_surface(
            network,
            data=data,
            split=split,
            transforms=transforms or None,
            weights=weights,
            checkpoint=checkpoint,
            settings=settings,
            towards=towards,
            way=way,
            workers=workers,
            store=store,
            progress=show,
        )
    if output.picture is not None:
        from steelyard.train.surface_chart import save_surfaces

        output.note(f"wrote {save_surfaces([found], output.picture)}")
        return
    output.show(found)
