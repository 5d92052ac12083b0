"""``steelyard measure SOURCE...``: how fast networks run on this machine, in several runtimes side by side."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from steelyard.cli._output import FORMATS, PICTURES, Output, output_options
from steelyard.cli._sources import check_sources, read_shapes
from steelyard.cli._verb import Verb
from steelyard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import steelyard


class _List(click.ParamType[tuple[int | str, ...]]):
    """Values joined by commas."""

    name = "list"

    def __init__(self, kind: type[int] | type[str]) -> None:
        self.kind = kind

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int | str, ...]:
        """The values, none of them empty."""
        try:
            return tuple(self.kind(part) for part in str(value).split(",") if part.strip())
        except ValueError:
            self.fail(f"{value!r} is no list of whole numbers, such as 1,32", param, ctx)


@click.command("measure", cls=Verb)
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.option(
    "--backend", "backends", type=_List(str), default="eager", show_default=True, metavar="NAME,...",
    help="eager, compile, onnxruntime, openvino; options with +, e.g. eager+channels_last+bfloat16.",
)  # fmt: skip
@click.option("--batch", "batches", type=_List(int), default="1", show_default=True, metavar="N,...", help="Samples in an inference.")  # fmt: skip
@click.option("--threads", type=_List(int), metavar="N,...", help="Threads to compute with; default: one a core.")  # fmt: skip
@click.option("--input", "shapes", multiple=True, callback=read_shapes, metavar="SHAPE", help="Shape of one input, e.g. 1x3x224x224; default: the source's own.")  # fmt: skip
@click.option("--budget", type=click.FloatRange(0, min_open=True), default=3.0, show_default=True, metavar="SECONDS", help="How long each row is sampled.")  # fmt: skip
@click.option("--tolerance", type=click.FloatRange(0), help="Outputs may differ from float32 by this share of the largest; default: by precision.")  # fmt: skip
@click.option("--keep-freed", is_flag=True, help="Let the C library keep freed memory (fewer page faults at large batches).")  # fmt: skip
@click.option("--history", "past", is_flag=True, help="Show what was measured before, here and in other settings.")  # fmt: skip
@click.option("--explain", is_flag=True, help="Split the run time of one SOURCE in one setting by kind of operator and by layer.")  # fmt: skip
@click.option("--predict", "foretell", is_flag=True, help="Tell the times without running anything; needs steelyard calibrate once.")  # fmt: skip
@click.option("--no-store", is_flag=True, help="Do not keep the result for --history.")
@output_options(*FORMATS, files=PICTURES)
def command(
    sources: tuple[str, ...],
    backends: tuple[str, ...],
    batches: tuple[int, ...],
    threads: tuple[int, ...] | None,
    shapes: tuple[tuple[str, tuple[int, ...]], ...],
    budget: float,
    tolerance: float | None,
    keep_freed: bool,
    past: bool,
    explain: bool,
    foretell: bool,
    no_store: bool,
    output: Output,
) -> None:
    """Measure each SOURCE in each setting; outputs are compared with float32 in PyTorch first.

    Every row runs in a process of its own, with its threads pinned; rows of one network and batch take turns.
    All samples are kept: --json has them.

    \b
    steelyard measure resnet50 mobilenet_v2 --backend eager,onnxruntime,openvino --batch 1,32 --threads 1,2
    steelyard measure net.onnx --backend onnxruntime,openvino
    steelyard measure shufflenet_v2_x1_0 --threads 1 --explain
    steelyard measure --predict resnet50 mobilenet_v2 --backend eager,onnxruntime
    """
    import steelyard

    if past:
        output.show(steelyard.measurement_history(sources))
        return
    if not sources:
        raise UsageError(
            "nothing to measure", expected="a SOURCE", hint="steelyard measure resnet50"
        )
    check_sources(sources)
    shape = shapes[0][1] if shapes else None
    counts: tuple[int | None, ...] = threads or (None,)
    if foretell:
        output.show(_foretold(sources, backends, batches, counts, shape))
        return
    if explain:
        if any(len(several) != 1 for several in (sources, backends, batches, counts)):
            raise UsageError(
                "several things to explain",
                expected="one SOURCE, backend, batch and number of threads",
            )
        with output.working(f"profiling {sources[0]}"):
            split = steelyard.breakdown(
                sources[0], backend=backends[0], batch=batches[0], threads=counts[0], input_shape=shape
            )  # fmt: skip
        output.show(split)
        return
    with output.steps("starting") as say:
        result = _measured(
            output,
            partial(
                steelyard.measure_all,
                sources,
                backends=backends,
                batches=batches,
                threads=counts,
                input_shape=shape,
                tolerance=tolerance,
                keep_freed=keep_freed,
                store=not no_store,
                budget_s=budget,
                progress=lambda doing, share: say(f"{share:4.0%} {doing}"),
            ),
        )
    if output.picture is not None:
        from steelyard.measure.macs_chart import save_measurements

        output.note(f"wrote {save_measurements(result, output.picture)}")
    else:
        output.show(result)
    if result.failures:
        click.get_current_context().exit(4)


def _measured(
    output: Output, measure: Callable[..., steelyard.Measurements]
) -> steelyard.Measurements:
    """What is measured; shows what there is when it is interrupted."""
    import steelyard

    kept: list[steelyard.Measurement | steelyard.Failure] = []
    try:
        return measure(keep=kept.append)
    except KeyboardInterrupt:
        rows = tuple(row for row in kept if isinstance(row, steelyard.Measurement))
        if rows:
            said = ("interrupted: not all was measured",)
            output.show(steelyard.Measurements(rows, warnings=said))
        raise


def _foretold(
    sources: tuple[str, ...],
    backends: tuple[str, ...],
    batches: tuple[int, ...],
    threads: tuple[int | None, ...],
    shape: tuple[int, ...] | None,
) -> steelyard.LatencyPrediction | steelyard.LatencyPredictions:
    import steelyard

    told = [
        steelyard.predict_latency(
            source, backend=backend, batch=batch, threads=count, input_shape=shape
        )
        for source in sources
        for batch in batches
        for count in threads
        for backend in backends
    ]
    return told[0] if len(told) == 1 else steelyard.LatencyPredictions(tuple(told))
