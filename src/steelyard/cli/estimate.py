"""``steelyard estimate SOURCE --device NAME``: energy, time and data movement of a network on accelerators."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from steelyard.cli._options import cluster_options, mapping_options
from steelyard.cli._output import FORMATS, PICTURES, Output, output_options
from steelyard.cli._signals import ending_in_order
from steelyard.cli._sources import Source, capture_options
from steelyard.cli._verb import Verb
from steelyard.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    import steelyard


@click.command("estimate", cls=Verb)
@click.argument("source")
@click.option(
    "--device",
    "devices",
    multiple=True,
    required=True,
    metavar="NAME",
    help="A device, or a YAML file; several are compared.",
)
@mapping_options()
@click.option(
    "--mapspace",
    type=click.Choice(("even", "uneven")),
    default="even",
    show_default=True,
    help="uneven: in one memory each operand's tile begins at a loop of its own.",
)
@click.option(
    "--mapping", "layers", multiple=True, metavar="LAYER", help="Draw the mapping of this layer."
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Search about so long, then the best so far and its gap.",
)
@click.option(
    "--separate", is_flag=True, help="Activations and normalisation go through DRAM, too."
)
@click.option("--fuse", is_flag=True, help="Keep maps between layers on the chip where that pays.")
@click.option("--no-cache", is_flag=True, help="Neither use nor keep found mappings.")
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="PATH=VALUES",
    help="Vary the device, e.g. glb.capacity_bytes=32KiB..1MiB or dataflow=RS,WS,any; several combine.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes (--sweep) or threads; default: one a core.",
)
@cluster_options("Where --sweep runs")
@click.option(
    "--zeros",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Zeros of each layer, the JSON of measure_sparsity; gated, skipped or compressed as the device can.",
)
@click.option(
    "--export",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the network and the devices as Timeloop and ZigZag files.",
)
@capture_options
@output_options(*FORMATS, files=PICTURES)
def command(
    source: str,
    devices: tuple[str, ...],
    objective: Any,
    dataflow: str,
    mapspace: Any,
    layers: tuple[str, ...],
    budget: float | None,
    separate: bool,
    fuse: bool,
    no_cache: bool,
    sweeps: tuple[str, ...],
    workers: int | None,
    engine: Any,
    address: str,
    zeros: Path | None,
    folder: Path | None,
    how: Source,
    output: Output,
) -> None:
    """Estimate the network SOURCE on accelerators, each layer with its best mapping.

    Energy by memory level, cycles, utilisation and DRAM traffic, layer by layer and in total. Mappings are
    kept: the second time is quick. A FILE that ends in .html gets a page with charts and every mapping drawn,
    one in .svg, .png or .pdf the charts; of a sweep, its Pareto front.

    \b
    steelyard estimate alexnet --device eyeriss --batch 4
    steelyard estimate mobilenet_v2 --device eyeriss_v2 --device tpu_v1 --objective edp
    steelyard estimate alexnet --device eyeriss --dataflow RS --mapping conv2
    steelyard estimate alexnet --device eyeriss --sweep glb.capacity_bytes=32KiB..1MiB --sweep x.size=7,14
    steelyard estimate alexnet --device eyeriss --sweep dataflow=RS,WS --engine ray --address ray://host:10001
    """
    from steelyard.hardware.estimate import accelerator
    from steelyard.hardware.zeros import read_zeros, with_zeros

    chosen = [accelerator(name) for name in devices]
    densities = None if zeros is None else read_zeros(zeros)
    _check_width(how.dtype, chosen)
    load = how.capture(source, output)
    if sweeps:
        others = {
            "--mapping": layers, "--zeros": densities, "--export": folder, "--budget": budget,
            "--separate": separate, "--fuse": fuse, "--no-cache": no_cache, "several --device": len(chosen) > 1,
            "--mapspace": mapspace != "even",
        }  # fmt: skip
        _check_sweep([name for name, value in others.items() if value])
        options = {"objective": objective, "dataflow": dataflow, "workers": workers}
        options |= {"engine": engine, "address": _address(engine, address)}
        _explore(load, chosen[0], sweeps, options, output)
        return
    if output.picture is not None:
        _check_picture(output.picture, layers=layers, fuse=fuse)
    if engine != "local" or address:
        raise UsageError("--engine or --address without --sweep", expected="--sweep PATH=VALUES")
    settings: dict[str, Any] = {
        "objective": objective,
        "dataflow": dataflow,
        "mapspace": mapspace,
        "pointwise": "separate" if separate else "fused",
        "fuse": fuse,
        "budget_s": budget,
        "cache": not no_cache,
        "workers": workers,
    }
    found = [_estimate(load, device, settings, output) for device in chosen]
    if densities is not None:
        found = [with_zeros(result, densities) for result in found]
    if layers:
        _draw(found, layers, output)
    elif output.picture is not None:
        _picture("save_estimates", output, load, found)
    else:
        _show(found, output)
    if folder is not None:
        output.note(f"files for Timeloop and ZigZag: {_export(load, chosen, folder)}")


def _check_sweep(others: list[str]) -> None:
    if others:
        raise UsageError(
            f"--sweep with {', '.join(others)}",
            expected="--sweep with one --device, --objective, --dataflow, --workers and --engine",
        )


def _check_picture(picture: Path, *, layers: tuple[str, ...], fuse: bool) -> None:
    if layers:
        raise UsageError(
            f"--mapping draws text, {picture.name} is no text",
            expected="--mapping LAYER with .txt or .md",
            hint=f"-o {picture} without --mapping: a page has every mapping",
        )
    if fuse:
        raise UsageError(
            "--fuse draws nothing", expected="--fuse with a table, --json, --csv or --md"
        )


def _estimate(
    load: steelyard.Workload, device: Any, settings: dict[str, Any], output: Output
) -> steelyard.Estimate:
    import steelyard

    kept = _resumable(output) if settings["cache"] else ending_in_order()
    with kept, output.bar(f"mapping {load.name} to {device.name}") as step:
        return steelyard.estimate(load, device, progress=step, **settings)


def _check_width(dtype: str | None, devices: list[Any]) -> None:
    """An accelerator computes in its own widths; whoever asks for another is told so."""
    import steelyard

    if dtype is None:
        return
    bits = steelyard.TensorSpec("x", (8,), dtype).nbytes
    for device in devices:
        if bits != device.bits["I"]:
            raise UsageError(
                f"--dtype {dtype} on {device.name}, whose inputs have {device.bits['I']} bits",
                expected="no --dtype: an accelerator computes in its own widths",
                hint=f"steelyard devices {device.name} --yaml -o mine.yaml, and change bits",
            )


def _explore(
    load: steelyard.Workload,
    device: Any,
    sweeps: tuple[str, ...],
    options: dict[str, Any],
    output: Output,
) -> None:
    from steelyard.hardware.explore import explore
    from steelyard.hardware.sweep import parse_sweep

    parsed = [parse_sweep(text) for text in sweeps]
    doing = f"mapping {load.name} to variants of {device.name}"
    # Ray prints its news on stdout, which is for data
    with _resumable(output), redirect_stdout(sys.stderr), output.bar(doing) as step:
        found = explore(load, device, parsed, progress=step, **options)
    if output.picture is not None:
        _picture("save_exploration", output, found)
    else:
        output.show(found)


def _address(engine: str, address: str) -> str:
    if address and engine != "ray":
        raise UsageError(f"--address {address} without a cluster", expected="--engine ray")
    return address or "auto"


def _picture(name: str, output: Output, *results: Any) -> None:
    """A page, or a chart, as the file's name says."""
    from steelyard.report import pictures

    with output.working(f"drawing {output.picture}"):
        getattr(pictures, name)(*results, output.picture)
    output.note(f"written: {output.picture}")


@contextmanager
def _resumable(output: Output) -> Iterator[None]:
    """Whoever stops this is told that nothing is lost."""
    try:
        with ending_in_order():
            yield
    except KeyboardInterrupt:
        output.note("what is done is kept: the same command goes on from there")
        raise


def _show(found: list[steelyard.Estimate], output: Output) -> None:
    from steelyard.hardware.estimate_layout import estimates_document

    if len(found) == 1:
        output.show(found[0])
        return
    data: dict[str, object] = {
        "schema": "steelyard.estimates/1",
        "estimates": [result.to_dict() for result in found],
    }
    output.show(data, estimates_document(found))


def _draw(found: list[steelyard.Estimate], layers: tuple[str, ...], output: Output) -> None:
    """The mappings of some layers, as text; in Markdown as a block of code.

    Raises:
        UsageError: another format.
        UnknownNameError: no such layer, or one that has no mapping.
    """
    from steelyard.hardware.drawing import draw_mapping

    if output.format not in ("table", "md"):
        raise UsageError(
            f"--mapping draws; it has no form as {output.format}",
            expected="--format table or md",
            hint="--json without --mapping holds every layer's mapping",
        )
    drawings = []
    for result in found:
        mapped = {layer.name: layer for layer in result.layers if layer.parts}
        for name in layers:
            if name not in mapped:
                raise UnknownNameError("mapped layer", name, list(mapped))
            for problem, answer in mapped[name].parts:
                text = draw_mapping(problem, answer.mapping, result.device, answer.evaluation)
                drawings.append(f"{name} on {result.device.name}: {text}")
    if output.format == "md":
        drawings = [f"```text\n{drawing}\n```" for drawing in drawings]
    output.write("\n\n".join(drawings) + "\n")


def _export(load: steelyard.Workload, devices: list[Any], folder: Path) -> Path:
    from steelyard.hardware.export import write_files

    return write_files(load, devices, folder)
