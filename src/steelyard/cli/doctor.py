"""``steelyard doctor``: what is installed, what is missing, and the line that installs it."""

from __future__ import annotations

import click

from steelyard.cli._output import Output, output_options
from steelyard.cli._verb import Verb


@click.command("doctor", cls=Verb)
@click.option("--roofline", "limits", is_flag=True, help="Measure the fastest matrix product and copy, by number of threads.")  # fmt: skip
@output_options()
def command(limits: bool, output: Output) -> None:
    """Print versions, optional libraries with the line that installs them, CPUs and threads.

    Paste it into a report of a mistake.
    """
    from steelyard import diagnosis
    from steelyard.report.table import Column, Document, Table

    if limits:
        import steelyard

        with output.working("measuring matrix products and copies"):
            limits_found = steelyard.ceilings()
        output.show(limits_found)
        return
    with output.working("looking around"):
        found = diagnosis.diagnose()
    if output.format == "json":
        output.show(found.to_dict())
        return
    facts = Table("", (Column("what", "what"), Column("value", "value")), found.facts)
    libraries = Table(
        "libraries",
        (
            Column("library", "library"),
            Column("version", "version"),
            Column("purpose", "needed for", wrap=True),
        ),
        tuple((p.name, p.version or "missing", p.purpose) for p in found.libraries),
        notes=tuple(f"{p.name} is missing: {p.install}" for p in found.libraries if p.install),
    )
    output.show({}, Document("steelyard doctor", tables=(facts, libraries)))
