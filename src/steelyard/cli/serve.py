"""``steelyard serve``: the workbench in the browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from steelyard.cli._output import Output, output_options
from steelyard.cli._verb import Verb
from steelyard.errors import MissingExtraError, UsageError
from steelyard.units import parse_bytes

PORT = 8321
_LEAST = 512 * 10**6
"""Bytes; PyTorch alone takes half of it."""


def _memory(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    found = None if text is None else parse_bytes(text)
    if found is not None and found < _LEAST:
        raise UsageError(
            f"--job-memory {text}", expected="512MB at least: PyTorch takes half of it"
        )
    return found


@click.command("serve", cls=Verb)
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="Of this machine; 0: any that is free.")  # fmt: skip
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.option(
    "--store", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    help="Where uploads and jobs are kept; default: in the cache folder.",
)  # fmt: skip
@click.option(
    "--runs", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="FOLDER",
    help="Training runs to show, e.g. runs.",
)  # fmt: skip
@click.option(
    "--job-memory", callback=_memory, metavar="SIZE",
    help="What a job may hold in memory, e.g. 4GB, before it is ended; default: half of the machine's.",
)  # fmt: skip
@output_options()
def command(
    port: int,
    no_browser: bool,
    store: Path | None,
    runs: Path | None,
    job_memory: int | None,
    output: Output,
) -> None:
    """Open the workbench in the browser: networks as graphs, knobs, comparisons, the zoo, jobs, runs.

    It listens on this machine only. The address holds a token: who has it may use the workbench.

    \b
    steelyard serve
    steelyard serve --runs runs --no-browser --port 0
    steelyard serve --job-memory 4GB
    """
    try:
        from steelyard.web.job_memory import limits_hold
        from steelyard.web.serving import serve
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the workbench", extra="web", package=error.name or "fastapi"
        ) from error

    def ready(url: str) -> None:
        if output.format == "json":
            output.show({"schema": "steelyard.serve/1", "url": url})
        else:
            output.write(f"{url}\n")
        output.note("the workbench runs until Ctrl-C")
        if not no_browser:
            webbrowser.open(url)

    if not limits_hold():
        output.warn("jobs have no limit of memory here: this system does not tell what they hold")
    serve(port=port, store=store, runs=runs, ready=ready, job_memory_bytes=job_memory)
