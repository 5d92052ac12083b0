"""``steelyard explain TERM``: what a word means here, from the glossary."""

from __future__ import annotations

import click

from steelyard.cli._output import Output, output_options
from steelyard.cli._verb import Verb


@click.command("explain", cls=Verb)
@click.argument("term", nargs=-1)
@output_options()
def command(term: tuple[str, ...], output: Output) -> None:
    """Print what TERM means in steelyard's tables and names; without TERM, list the terms.

    \b
    steelyard explain macs
    steelyard explain arithmetic intensity
    """
    from steelyard import glossary

    if not term:
        names = [entry.term for entry in glossary.entries()]
        if output.format == "json":
            output.show({"schema": "steelyard.terms/1", "terms": names})
        else:
            output.write("\n".join(names) + "\n")
        return
    entry = glossary.explain(" ".join(term))
    if output.format == "json":
        output.show(entry.to_dict())
    else:
        output.write(f"{entry}\n")
