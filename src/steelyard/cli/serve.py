"""``steelyard serve``: the workbench in the browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from steelyard.cli._output import Output, output_options
from steelyard.errors import MissingExtraError

PORT = 8321


@click.command("serve")
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
@output_options()
def command(
    port: int, no_browser: bool, store: Path | None, runs: Path | None, output: Output
) -> None:
    """Open the workbench in the browser: networks as graphs, knobs, comparisons, the zoo, jobs, runs.

    It listens on this machine only. The address holds a token: who has it may use the workbench.

    \b
    steelyard serve
    steelyard serve --runs runs --no-browser --port 0
    """
    try:
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

    serve(port=port, store=store, runs=runs, ready=ready)
