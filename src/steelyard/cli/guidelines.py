"""``steelyard guidelines``: ShuffleNet V2's experiments G1 to G4 on this machine."""

from __future__ import annotations

import click

from steelyard.cli._output import FORMATS, PICTURES, Output, output_options
from steelyard.cli._verb import Verb


@click.command("guidelines", cls=Verb)
@click.argument("guidelines", nargs=-1, metavar="[G1 G2 G3 G4]")
@click.option("--scale", type=click.Choice(["1", "2", "4"]), default="1", show_default=True, help="Times the channels of the paper's mobile columns.")  # fmt: skip
@click.option("--backend", default="eager", show_default=True, metavar="NAME", help="As in steelyard measure.")  # fmt: skip
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Samples in an inference.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads to compute with.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(5), default=40, show_default=True, help="Turns of each network.")  # fmt: skip
@output_options(*FORMATS, files=PICTURES)
def command(
    guidelines: tuple[str, ...],
    scale: str,
    backend: str,
    batch: int,
    threads: int,
    rounds: int,
    output: Output,
) -> None:
    """Repeat ShuffleNet V2's experiments G1 to G4: which of its guidelines hold on this machine?

    As in Ma et al. 2018, tables 1 to 4. Networks of an experiment have equal MACs and take turns. A guideline holds here if the 95 % interval of the
    relative speed excludes 1 in the claimed direction. -o FILE.html, .svg, .png or .pdf draws ours beside theirs.

    \b
    steelyard guidelines
    steelyard guidelines G2 --scale 4 --backend onnxruntime -o guidelines.svg
    """
    import steelyard

    with output.steps("starting") as say:
        found = steelyard.guideline_trials(
            guidelines=guidelines or ("G1", "G2", "G3", "G4"),
            scale=int(scale),
            backend=backend,
            batch=batch,
            threads=threads,
            rounds=rounds,
            progress=lambda doing, share: say(f"{share:4.0%} {doing}"),
        )
    if output.picture is not None:
        from steelyard.measure.guideline_chart import save_trials

        output.note(f"wrote {save_trials(found, output.picture)}")
        return
    output.show(found)
