"""``steelyard report SOURCE... -o out.html``: an interactive report in one file, short Markdown, or a check against limits."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from steelyard.cli._options import mapping_options
from steelyard.cli._output import Output, output_options
from steelyard.cli._sources import Source, capture_options
from steelyard.cli._verb import LIMITS, Verb, section
from steelyard.errors import LimitError, SteelyardError, UsageError

if TYPE_CHECKING:
    import steelyard

_FILES = (".html", ".htm", ".md", ".txt", ".csv", ".json")


def _limits(function: Any) -> Any:
    """Adds ``--max-macs`` and the others; the function gets them as ``limits``, quantity and text."""
    import functools

    names = {
        "max_macs": ("macs", "MACs: 300M, or +2% against an earlier report."),
        "max_params": ("params", "Parameters: 5M, or +0%."),
        "max_peak_memory": ("peak_activation_bytes", "Activations that live at once: 2MB, or +5%."),
        "max_access": ("access_bytes", "Memory access: 50MB, or +5%."),
        "max_energy": ("energy_pj", "On each accelerator: 2mJ, or +5%."),
        "max_latency": ("latency_s", "On each device: 5ms, or +5%."),
    }

    @functools.wraps(function)
    def wrapped(**given: Any) -> Any:
        texts = {names[name][0]: given.pop(name) for name in names}
        chosen = [(quantity, text) for quantity, text in texts.items() if text is not None]
        return function(limits=chosen, **given)

    for name, (_, text) in reversed(names.items()):
        option = section(LIMITS)(f"--{name.replace('_', '-')}", metavar="N|+N%", help=f"Exit 1 above. {text}")  # fmt: skip
        wrapped = option(wrapped)
    return wrapped


@click.command("report", cls=Verb)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--title", help="Headline of the report.")
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help="What it costs on a device, or a YAML file's; several are compared.",
)
@mapping_options("With --device: ")
@click.option(
    "--rewrites/--no-rewrites",
    default=True,
    show_default=True,
    help="See what exchanging layers by the rules of `steelyard rewrite` would save.",
)
@click.option(
    "--split",
    is_flag=True,
    help="Measure where the time of an inference goes on this machine, as `steelyard measure --explain`.",
)
@click.option(
    "--measured",
    is_flag=True,
    help="MACs against latency of what was measured on this machine, too.",
)
@click.option(
    "--against",
    metavar="OLD",
    help="What changed: an earlier report's or cost's .json, or a SOURCE.",
)
@_limits
@click.option("--markdown", is_flag=True, help="Short Markdown, for a pull request.")
@capture_options
@output_options(files=_FILES)
def command(
    sources: tuple[str, ...],
    title: str | None,
    devices: tuple[str, ...],
    objective: Any,
    dataflow: str,
    rewrites: bool,
    split: bool,
    measured: bool,
    against: str | None,
    limits: Sequence[tuple[str, str]],
    markdown: bool,
    how: Source,
    output: Output,
) -> None:
    """Write a report on one network or several: in plain words first, then scorecard, charts, what would help, tables.

    With --device energy by memory and type of data, utilisation, latency, roofline and each layer's mapping
    drawn as loops, too. With --against what changed since an earlier report; limits may then be relative to it.

    The suffix of FILE chooses the form: .html, .md, .txt, .csv or .json. Without -o the HTML page (or
    Markdown) goes to stdout, the page not if that is a terminal.

    \b
    steelyard report resnet50 -o resnet50.html
    steelyard report mobilenet_v2 --device eyeriss --device h100 -o devices.html
    steelyard report net.onnx --device eyeriss -o old.json
    steelyard report net.onnx --device eyeriss --against old.json --max-macs +2% -o pull.md
    """
    import steelyard
    from steelyard.report.limits import check_limits, exceeded, parse_limit

    held = [parse_limit(quantity, text) for quantity, text in limits]
    check_limits(held, against=against is not None)
    page = output.path is None and output.format != "json" and not markdown
    if page and sys.stdout.isatty():
        raise UsageError(
            "an HTML page is of no use on a terminal", hint="steelyard report SOURCE -o report.html"
        )
    loads = [how.capture(source, output) for source in sources]
    for load in loads:
        for warning in load.warnings:
            output.warn(f"{load.name}: {warning}")
    with output.steps("drawing the report") as step:
        report = steelyard.report(
            *loads,
            title=title,
            devices=devices,
            objective=objective,
            dataflow=dataflow,
            measured=measured,
            against=None if against is None else _old(against, how, output),
            rewrites=[_tried(source, how, output) for source in sources] if rewrites else False,
            command=_line(),
            progress=step,
        )
        if split:
            step("measuring where the time of an inference goes")
            found = tuple(_split(source, how, output) for source in sources)
            report = replace(report, splits=found)
        _write(report, output, markdown=markdown)
    if said := exceeded(report, held):
        number = "1 limit is" if len(said) == 1 else f"{len(said)} limits are"
        raise LimitError(f"{number} exceeded\n" + "\n".join(said))


def _write(report: steelyard.Report, output: Output, *, markdown: bool) -> None:
    if output.format == "json":
        output.show(report)
    elif markdown:
        output.write(report.to_markdown())
    elif output.path is None:
        output.write(report.to_html())
    else:
        report.save(output.path)
    if output.path is not None:
        output.note(f"report: {output.path.resolve()}")


def _old(against: str, how: Source, output: Output) -> object:
    """The file of an earlier report; a network is captured as the others are."""
    return against if Path(against).suffix == ".json" else how.capture(against, output)


def _tried(source: str, how: Source, output: Output) -> Mapping[str, steelyard.Workload]:
    """What the rules of `steelyard rewrite` make of a network; nothing of a file."""
    with output.working(f"exchanging layers of {source}"):
        try:
            return how.rewritten(source)
        except SteelyardError as error:
            output.warn(f"no rewrites of {source}: {error.given}")
            return {}


def _split(source: str, how: Source, output: Output) -> steelyard.Breakdown | None:
    import steelyard

    shape = how.shapes[0][1] if how.shapes else None
    try:
        return steelyard.breakdown(source, batch=how.batch or 1, input_shape=shape)
    except SteelyardError as error:
        output.warn(f"{source} is not measured: {error.given}")
        return None


def _line() -> str:
    return shlex.join(["steelyard", *sys.argv[1:]])
