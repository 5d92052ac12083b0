"""``steelyard cost SOURCE``: what a network costs, layer by layer or in groups, held against limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._sources import Source, capture_options
from steelyard.cli._verb import LIMITS, Verb, section
from steelyard.errors import LimitError
from steelyard.units import format_bytes, format_si, parse_bytes, parse_count

if TYPE_CHECKING:
    import steelyard

_BY = ("layer", "op", "module", "stage", "kind", "type")
_SORT = ("macs", "params", "memory", "access")


def _number(parse: Any) -> Any:
    """A click callback that parses a limit."""
    return lambda ctx, param, text: None if text is None else parse(text)


@click.command("cost", cls=Verb)
@click.argument("source")
@capture_options
@click.option("--by", type=click.Choice(_BY), default="layer", help="What a row is.")
@click.option("--sort", type=click.Choice(_SORT), help="Largest first by this.")
@click.option("--depth", type=click.IntRange(min=1), help="Path components, with --by module.")
@click.option("--all", "show_all", is_flag=True, help="A row for every layer, also for cheap ones.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many rows.")
@click.option("--train", is_flag=True, help="The memory of a training step, too.")
@click.option("--optimizer", default="sgd", show_default=True, help="For --train, e.g. adam.")
@click.option("--findings", is_flag=True, help="What ShuffleNet V2's guidelines G1-G4 say, too.")
@click.option(
    "--chart",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw memory, parameters and MACs per layer as .png or .svg.",
)
@click.option(
    "--workload",
    "workload_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save the captured workload as JSON, which is a SOURCE too.",
)
@section(LIMITS)(
    "--max-macs", callback=_number(parse_count), metavar="N", help="Exit 1 above, e.g. 300M."
)
@section(LIMITS)(
    "--max-params", callback=_number(parse_count), metavar="N", help="Exit 1 above, e.g. 5M."
)
@section(LIMITS)(
    "--max-peak-memory",
    callback=_number(parse_bytes),
    metavar="BYTES",
    help="Exit 1 if activations need more at once, e.g. 2MB or 512KiB.",
)
@output_options(*FORMATS)
def command(
    source: str,
    how: Source,
    output: Output,
    by: Any,
    sort: Any,
    depth: int | None,
    show_all: bool,
    limit: int | None,
    train: bool,
    optimizer: str,
    findings: bool,
    chart: Path | None,
    workload_file: Path | None,
    max_macs: int | None,
    max_params: int | None,
    max_peak_memory: int | None,
) -> None:
    """Print what the network SOURCE costs.

    Parameters, multiply-accumulates (MACs; FLOPs are 2 x MACs), other operations, memory of the
    outputs and memory access, layer by layer; below it peak and training memory.

    \b
    steelyard cost resnet50 --by stage
    steelyard cost net.onnx --input 1x3x320x320 --sort macs --limit 20
    steelyard cost mypackage.nets:build --max-macs 300M --max-params 5M
    """
    import steelyard
    from steelyard.report import render

    load = how.capture(source, output)
    report = steelyard.cost(load)
    with output.working(f"weighing {source}"):
        document = render.cost_document(
            report, by=by, sort=sort, depth=depth, show_all=show_all, limit=limit
        )
        data = report.to_dict() if output.format == "json" else {}
    document, data = _extras(report, document, data, optimizer if train else None, findings)
    if output.format == "json":
        output.show(data)
    else:
        output.show(report if by == "layer" else document, document)
    if workload_file is not None:
        from steelyard.report.files import write_file

        write_file(workload_file, load.to_json())
        output.note(f"workload: {workload_file}")
    if chart is not None:
        from steelyard.report.charts import save_chart

        with output.working(f"drawing {chart}"):
            save_chart(report, chart)
        output.note(f"chart: {chart}")
    _hold(report, max_macs, max_params, max_peak_memory)


def _extras(
    report: steelyard.CostReport,
    document: Any,
    data: dict[str, object],
    optimizer: str | None,
    findings: bool,
) -> tuple[Any, dict[str, object]]:
    """Training memory and findings, where asked for, as tables and under keys of their own."""
    from dataclasses import replace

    from steelyard.report import render

    tables = list(document.tables)
    if optimizer is not None:
        training = report.training_memory(optimizer)
        data["training_memory"] = training.to_dict()
        tables += [
            replace(t, title=f"training with {optimizer}") for t in render.document(training).tables
        ]
    if findings:
        data["findings"] = [finding.to_dict() for finding in report.findings]
        tables.append(replace(render.findings_table(report.findings), title="guidelines"))
    return replace(document, tables=tuple(tables)), data


def _hold(
    report: steelyard.CostReport, macs: int | None, params: int | None, peak: int | None
) -> None:
    """Says which limits are exceeded and by how much.

    Raises:
        LimitError: at least one is.
    """
    counts = (
        ("MACs", "--max-macs", report.total.macs, macs, format_si),
        ("parameters", "--max-params", report.total.params, params, format_si),
        ("peak activation memory", "--max-peak-memory", None, peak, format_bytes),
    )
    sentences = []
    for what, option, value, limit, show in counts:
        if limit is None:
            continue
        actual = report.memory.peak_bytes if value is None else value
        if actual > limit:
            over = show(actual - limit)
            share = f" ({(actual - limit) / limit:.1%})" if limit else ""
            sentences.append(
                f"{what}: {show(actual)}, which is {over}{share} over {option} {show(limit)}"
            )
    if sentences:
        raise LimitError(
            f"{report.workload.name} exceeds {len(sentences)} "
            f"{'limit' if len(sentences) == 1 else 'limits'}\n" + "\n".join(sentences)
        )
