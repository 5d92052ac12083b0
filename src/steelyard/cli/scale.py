"""``steelyard scale NET --phi 3``: larger and smaller relatives of a network, and what each costs."""

from __future__ import annotations

import click

from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._verb import Verb
from steelyard.errors import UsageError


@click.command("scale", cls=Verb)
@click.argument("net")
@click.option("--phi", type=float, multiple=True, help="About 2^phi times the MACs; repeatable.")
@click.option("--macs", metavar="N|Kx", help="The nearest to so many MACs: 300M, or 4x.")
@click.option("--latency-ms", type=float, help="The largest within this latency on --device.")
@click.option(
    "--like", multiple=True, metavar="NET", help="Scale as efficientnet_b3 is; repeatable."
)
@click.option("--grid", is_flag=True, help="All alpha, beta, gamma near 2, at phi 1.")
@click.option("--step", type=float, default=0.1, show_default=True, help="Of alpha, with --grid.")
@click.option("--tolerance", type=float, default=0.1, show_default=True, help="With --grid.")
@click.option("--fast", is_flag=True, help="Mostly wider: fast scaling (Dollár et al. 2021).")
@click.option("--alpha", type=float, help="Of depth, 1.2 unless given; with --fast 0.8.")
@click.option("--beta", type=float, help="Of width, 1.1 unless given.")
@click.option("--gamma", type=float, help="Of resolution, 1.15 unless given.")
@click.option(
    "--device", metavar="NAME", default="cpu", show_default=True, help="Whose latency is told."
)
@click.option("--energy", metavar="DEVICE", help="Energy on this accelerator, e.g. eyeriss.")
@click.option("--measure", "measured", is_flag=True, help="Measure all on this machine, too.")
@output_options(*FORMATS)
def command(
    net: str,
    phi: tuple[float, ...],
    macs: str | None,
    latency_ms: float | None,
    like: tuple[str, ...],
    grid: bool,
    step: float,
    tolerance: float,
    fast: bool,
    alpha: float | None,
    beta: float | None,
    gamma: float | None,
    device: str,
    energy: str | None,
    measured: bool,
    output: Output,
) -> None:
    """Scale a network of the zoo in depth, width and resolution, and print what that costs.

    \b
    steelyard scale efficientnet_b0 --phi 1 --phi 2 --phi 3
    steelyard scale mobilenet_v2 --macs 4x --fast
    steelyard scale mobilenet_v2 --latency-ms 20 --measure
    steelyard scale efficientnet_b0 --like efficientnet_b7 --energy eyeriss
    """
    import steelyard
    from steelyard.design import Compound, Fast, scaling_grid

    if grid:
        if phi or macs or latency_ms or like:
            raise UsageError("--grid with a target", expected="one of them")
        with output.bar(f"scaling {net}") as tell:
            output.show(scaling_grid(net, step=step, tolerance=tolerance, progress=tell))
        return
    if fast and (beta is not None or gamma is not None):
        raise UsageError("--fast with --beta or --gamma", expected="--fast with --alpha alone")
    rule: Compound | Fast
    if fast:
        rule = Fast(0.8 if alpha is None else alpha)
    else:
        given = {"alpha": alpha, "beta": beta, "gamma": gamma}
        rule = Compound(**{name: value for name, value in given.items() if value is not None})
    with output.steps(f"scaling {net}") as tell:
        result = steelyard.scale(
            net, phi=phi, macs=macs, latency_ms=latency_ms, like=like, rule=rule, device=device, energy=energy,
            measured=measured, progress=tell,
        )  # fmt: skip
    output.show(result)
