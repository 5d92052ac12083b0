"""``steelyard devices [NAME]``: the devices, or one device with the source of each of its numbers."""

from __future__ import annotations

from typing import Any

import click

from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._verb import Verb
from steelyard.errors import UnknownNameError, UsageError


@click.command("devices", cls=Verb)
@click.argument("name", default="*")
@click.option("--yaml", "as_yaml", is_flag=True, help="The device's file, to start one's own from.")
@output_options(*FORMATS, files=(".yaml", ".yml"))
def command(name: str, as_yaml: bool, output: Output) -> None:
    """List the devices, or show NAME: a device, a pattern, or the path of a YAML file.

    \b
    steelyard devices
    steelyard devices "eyeriss*"
    steelyard devices eyeriss
    steelyard devices tpu_v1 --yaml -o mine.yaml
    """
    import steelyard

    names = steelyard.list_devices(name)
    if names == [name] or not names:
        found = _one(name, output)
        if as_yaml or output.special:
            output.write(found.to_yaml())
        else:
            output.show(found)
        return
    if as_yaml or output.special:
        raise UsageError(f"--yaml of {len(names)} devices", expected="the name of one device")
    output.show(*_list(names))


def _one(name: str, output: Output) -> Any:
    import steelyard

    if set("*?[") & set(name):
        known = steelyard.list_devices()
        raise UnknownNameError("device", name, known, hint="steelyard devices")
    with output.working("measuring this machine" if name == "cpu" else "reading the device"):
        return steelyard.device(name)


def _list(names: list[str]) -> tuple[dict[str, object], Any]:
    import steelyard
    from steelyard.report.table import Cell, Column, Document, Table
    from steelyard.units import format_si

    columns = (
        Column("name", "device"),
        Column("kind", "kind", rank=3),
        Column("peak", "peak MAC/s"),
        Column("pes", "units", "count", rank=1),
        Column("node_nm", "nm", "ratio", rank=2),
        Column("title", "what it is", wrap=True),
    )
    rows: list[tuple[Cell, ...]] = []
    data: list[dict[str, object]] = []
    for name in names:
        if name == "cpu":
            title = "This machine, measured when it is asked for"
            rows.append((name, "roofline", "", None, None, title))
            data.append({"name": name, "kind": "roofline", "title": title})
            continue
        found = steelyard.device(name)
        if isinstance(found, steelyard.Accelerator):
            kind, peak, pes = "accelerator", found.pes * found.clock_hz, found.pes
        else:
            kind, peak, pes = "roofline", next(iter(found.peak_macs_per_s.values())), None
        rows.append((name, kind, format_si(peak), pes, found.node_nm, found.title))
        data.append(
            {
                "name": name,
                "kind": kind,
                "title": found.title,
                "peak_macs_per_s": peak,
                "node_nm": found.node_nm,
                "units": pes,
            }
        )
    notes = (
        "Peak of an accelerator in its own widths, of a CPU or GPU in the first data type of its file.",
        "A device of your own: steelyard devices NAME --yaml -o mine.yaml, edit, and give the path.",
    )
    title = f"{len(rows)} device{'' if len(rows) == 1 else 's'}"
    shown = Document(title, tables=(Table("", columns, tuple(rows)),), notes=notes)
    return {"schema": "steelyard.devices/1", "devices": data}, shown
