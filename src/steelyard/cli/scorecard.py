"""``steelyard scorecard SOURCE... --device NAME``: the eight metrics of networks on devices, with factors and gaps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from steelyard.cli._options import mapping_options
from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._sources import Source, capture_options
from steelyard.cli._verb import Verb
from steelyard.errors import UsageError

if TYPE_CHECKING:
    import steelyard

_MEASURED = "cpu"


@click.command("scorecard", cls=Verb)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--device",
    "devices",
    multiple=True,
    required=True,
    metavar="NAME",
    help="A device, or a YAML file; several are compared. cpu is this machine.",
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="A training of the network: its accuracy, cost and steps. Several that differ in their processes tell how training scales.",
)
@click.option(
    "--measured",
    is_flag=True,
    help="Run the network on cpu; else it is predicted, if calibrated, or bounded.",
)
@click.option(
    "--backend", default="eager", show_default=True, help="Of cpu, as in steelyard measure."
)
@click.option("--threads", type=click.IntRange(1), help="Of cpu. Default: one a core.")
@mapping_options()
@click.option(
    "--zoo",
    default="",
    metavar="PATTERNS",
    help="Networks to try on each accelerator for its flexibility, e.g. 'resnet*,vgg16' or '*'; kept when done. Default: only SOURCE.",
)
@click.option(
    "--pes",
    default="1,2,4",
    show_default=True,
    metavar="TIMES",
    help="Sizes of the array to try for scalability, powers of two; 1: none.",
)
@click.option(
    "--grow",
    type=click.Choice(("array", "bandwidth")),
    default="array",
    show_default=True,
    help="What grows with the PEs.",
)
@click.option(
    "--link",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="GBIT/S",
    help="Between machines that train together.",
)
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    metavar="USD",
    help="An hour of the device. Default: the newest dated price that is known.",
)
@click.option(
    "--training-price",
    type=click.FloatRange(min=0),
    metavar="USD",
    help="An hour of each device of the training.",
)
@click.option(
    "--power-limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="WATTS",
    help="What the device may draw, which bounds its throughput.",
)
@capture_options
@output_options(*FORMATS)
def command(
    sources: tuple[str, ...], devices: tuple[str, ...], runs: tuple[Path, ...], measured: bool, backend: str,
    threads: int | None, objective: Any, dataflow: str, zoo: str, pes: str, grow: Any, link: float,
    price: float | None, training_price: float | None, power_limit: float | None, how: Source, output: Output,
) -> None:  # fmt: skip
    """Print the eight key metrics of SOURCE on devices, with their factors.

    Accuracy, throughput, latency, energy, power, cost, flexibility and scalability: each figure stands with
    the factors it is computed from, what must be stated beside it, and what is missing. Accelerators are
    modelled; several networks or devices are put side by side.

    \b
    steelyard scorecard alexnet --device eyeriss
    steelyard scorecard resnet18 --device cpu --measured --backend onnxruntime
    steelyard scorecard alexnet mobilenet_v2 --device eyeriss --device tpu_v1
    steelyard scorecard alexnet --device eyeriss --zoo 'resnet*,vgg*' --json -o card.json
    """
    import steelyard

    if runs and len(sources) > 1:
        raise UsageError("--run with several networks", expected="the network that was trained")
    if measured and _MEASURED not in devices:
        raise UsageError("--measured without this machine", expected=f"--device {_MEASURED}")
    factors = _factors(pes)
    loads = {source: how.capture(source, output) for source in dict.fromkeys(sources)}
    cards = []
    with output.steps("making the scorecard") as step:
        for source, load in loads.items():
            for device in devices:
                here = measured and device == _MEASURED
                card = steelyard.scorecard(
                    source if here else load, device, measured=here, backend=backend, threads=threads,
                    batch=load.batch if here else None, input_shape=_shape(load) if here else None,
                    objective=objective, dataflow=dataflow, zoo=zoo, run=runs, pe_factors=factors, grow=grow,
                    link_bytes_per_s=link * 1e9 / 8, price=price, training_price=training_price,
                    power_limit_w=power_limit, progress=step,
                )  # fmt: skip
                cards.append(card)
    for note in dict.fromkeys(note for card in cards for note in card.notes):
        output.warn(note)
    output.show(cards[0] if len(cards) == 1 else steelyard.scorecards(cards))


def _factors(text: str) -> tuple[float, ...]:
    """``1,2,4`` as numbers.

    Raises:
        UsageError: something else.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            f"--pes {text}", expected="powers of two with commas between, e.g. 1,2,4"
        ) from None


def _shape(load: steelyard.Workload) -> tuple[int, ...]:
    return load.tensor(load.inputs[0]).shape
