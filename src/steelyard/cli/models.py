"""``steelyard models [PATTERN]``: the networks of the zoo."""

from __future__ import annotations

from typing import Any

import click

from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._verb import Verb
from steelyard.errors import UnknownNameError


@click.command("models", cls=Verb)
@click.argument("pattern", default="*")
@output_options(*FORMATS)
def command(pattern: str, output: Output) -> None:
    """List the networks of the zoo, or those that match PATTERN; one exact name shows its settings.

    \b
    steelyard models
    steelyard models "resnet*"
    steelyard models resnet50
    """
    import steelyard
    from steelyard.report.table import Column, Document, Table

    names = steelyard.list_models(pattern)
    if not names:
        raise UnknownNameError("network", pattern, steelyard.list_models(), hint="steelyard models")
    infos = [steelyard.info(name) for name in names]
    columns = (
        Column("name", "network"),
        Column("family", "family", rank=3),
        Column("input", "input", rank=1),
        Column("year", "year", rank=2),
        Column("paper", "paper", rank=4),
    )
    rows = tuple(
        (i.name, i.family, "x".join(map(str, i.input_shape)), str(i.paper.year), i.paper.title)
        for i in infos
    )
    tables = [Table("", columns, rows)]
    notes: list[str] = []
    if len(infos) == 1:
        (only,) = infos
        tables += [_published(only)] if only.published else []
        notes += ["settings:", *(_setting(setting) for setting in only.settings)]
        notes += [f"weights: {', '.join(only.weights)}"] if only.weights else []
        notes += [only.notes] if only.notes else []
    title = f"{len(rows)} {'network' if len(rows) == 1 else 'networks'}"
    data: dict[str, object] = {
        "schema": "steelyard.models/1",
        "models": [i.to_dict() for i in infos],
    }
    output.show(data, Document(title, tables=tuple(tables), notes=tuple(notes)))


def _setting(setting: Any) -> str:
    return f"  {setting.name}={setting.default}: {setting.doc} ({setting.type})"


def _published(info: Any) -> Any:
    """What papers state about one network."""
    from steelyard.report.table import Column, Table

    return Table(
        "published",
        (
            Column("settings", "settings"),
            Column("source", "source"),
            Column("params", "params (M)"),
            Column("macs", "MACs (M)"),
            Column("top5_error", "top-5 error (%)"),
            Column("convention", "counted", rank=1),
        ),
        tuple(
            (
                f.settings,
                f.source,
                *map(_stated, (f.params_m, f.macs_m, f.top5_error)),
                f.convention,
            )
            for f in info.published
        ),
    )


def _stated(figure: float | None) -> str:
    return "" if figure is None else f"{figure:g}"
