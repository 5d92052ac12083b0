"""What every verb shares about output: its options, where data goes, and progress while one waits."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from steelyard.cli import DEBUG
from steelyard.cli._progress import progress_file
from steelyard.cli._verb import OUTPUT, section
from steelyard.errors import UsageError

if TYPE_CHECKING:
    from steelyard.report.table import Document

Format = Literal["table", "md", "csv", "json"]
FORMATS: tuple[Format, ...] = ("table", "md", "csv", "json")
PICTURES = (".html", ".htm", ".svg", ".png", ".pdf")
"""Endings of a file that gets a page or a chart, for verbs that draw."""

_FORMS: dict[str, Format] = {".txt": "table", ".md": "md", ".csv": "csv", ".json": "json"}

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Output:
    """Where and how a verb's result is printed.

    Attributes:
        format: table, md, csv or json.
        path: the file to write, None for stdout.
        quiet: no progress and no warnings.
        special: the file's name asks for what only this verb writes, a picture perhaps, and no option for a form.
    """

    format: Format
    path: Path | None
    quiet: bool
    special: bool = False

    @property
    def picture(self) -> Path | None:
        """The file, where its name asks for a page or a chart and no other form was asked for."""
        return self.path if self.special and self.path and _ending(self.path) in PICTURES else None

    def show(self, result: object, document: Document | None = None) -> None:
        """Prints ``result``: its ``to_dict()`` as JSON, all its records as CSV, else ``document``.

        Args:
            result: what has ``to_dict()`` (or plain data).
            document: the tables and sentences for people; made from ``result`` if not given. Its
                warnings go to stderr.
        """
        from dataclasses import replace

        from steelyard.report import render

        if self.special and self.path is not None:
            self.warn(f"{self.path} is not written: there is nothing of that kind to be had here")
            replace(self, path=None).show(result, document)
            return
        if self.format == "json":
            self.write(_json(result) + "\n")
            return
        if self.format == "csv":
            self.write(render.to_csv(document if isinstance(result, dict) else result))
            return
        shown = document if document is not None else render.document(result)
        for warning in shown.warnings:
            self.warn(warning)
        shown = replace(shown, warnings=())
        if self.format == "md":
            self.write(render.to_markdown(shown) + "\n")
        elif self.path is None and sys.stdout.isatty():
            from rich.console import Console

            Console().print(render.to_rich(shown))
        else:
            self.write(render.to_text(shown) + "\n")

    def write(self, text: str) -> None:
        """Writes data to the file or to stdout."""
        if self.path is None:
            # as bytes, so that line ends and characters reach files and pipes as they are
            encoding = sys.stdout.encoding or "utf-8"
            sys.stdout.flush()
            sys.stdout.buffer.write(text.encode(encoding, "replace"))
            sys.stdout.buffer.flush()
        else:
            from steelyard.report.files import write_file

            write_file(self.path, text)

    def warn(self, message: str) -> None:
        """One sentence on stderr, unless quiet."""
        if not self.quiet:
            from steelyard.report.escape import printable

            click.echo(
                click.style("warning: ", fg="yellow", bold=True) + printable(message), err=True
            )

    def note(self, message: str) -> None:
        """News on stderr, e.g. which file was written; not when quiet."""
        if not self.quiet:
            from steelyard.report.escape import printable

            click.echo(printable(message), err=True)

    @contextmanager
    def working(self, doing: str) -> Iterator[None]:
        """Says what is being done while it takes over a second: on a terminal's stderr, not if quiet."""
        with self.steps(doing):
            yield

    @contextmanager
    def steps(self, doing: str = "") -> Iterator[Callable[[str], None]]:
        """As `working`; the function that it yields says what is being done now."""
        if (file := progress_file(doing)) is not None:
            yield file.say
            return
        if self.quiet or not sys.stderr.isatty():
            yield lambda doing: None
            return
        from rich.console import Console

        from steelyard.report.escape import printable

        def shown(text: str) -> str:
            return printable(text).replace("[", "\\[")

        spinner = Console(stderr=True).status(shown(doing))
        timer = threading.Timer(1.0, spinner.start)
        timer.daemon = True
        timer.start()
        try:
            yield lambda doing: spinner.update(shown(doing))
        finally:
            timer.cancel()
            timer.join()
            spinner.stop()

    @contextmanager
    def bar(self, doing: str) -> Iterator[Callable[..., None]]:
        """A progress bar while it takes over a second: on a terminal's stderr, not if quiet.

        The function that it yields is called with (done, all) and, where that helps, the name of what is done.
        """
        if (file := progress_file(doing)) is not None:
            yield file.step
            return
        if self.quiet or not sys.stderr.isatty():
            yield lambda done, every, what="": None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        from steelyard.report.escape import printable

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            Remaining(),
            TextColumn("{task.fields[what]}", markup=False),
        )
        progress = Progress(*columns, console=Console(stderr=True), transient=True)
        task = progress.add_task(printable(doing), total=None, what="")
        timer = threading.Timer(1.0, progress.start)
        timer.daemon = True
        timer.start()
        try:
            yield lambda done, every, what="": progress.update(
                task, completed=done, total=every, what=printable(what)
            )
        finally:
            timer.cancel()
            timer.join()
            progress.stop()


def _json(result: object) -> str:
    if isinstance(result, dict):
        import json

        return json.dumps(result, indent=2, ensure_ascii=True, allow_nan=False)
    from steelyard.report import render

    return render.to_json(result)


def output_options(
    *formats: Format, files: tuple[str, ...] = (), path_help: str = ""
) -> Callable[[_Function], _Function]:
    """Adds ``--json``, ``-o``, ``-q``, ``--debug`` and, for several formats, ``--format``.

    The command's function gets them as one argument ``output: Output``; ``files`` are endings of what the verb
    writes itself, ``path_help`` says what ``-o`` writes. Of other files the ending chooses the form.
    """
    forms = [end for end, form in _FORMS.items() if form in (formats or ("table", "json"))]
    known = tuple(dict.fromkeys((*forms, *files)))
    path_help = path_help or f"Write to FILE; its ending chooses the form: {', '.join(known)}."

    def decorate(function: _Function) -> _Function:
        import functools

        @functools.wraps(function)
        def wrapped(
            *,
            as_json: bool,
            path: Path | None,
            quiet: bool,
            format: Format | None = None,
            **rest: Any,
        ) -> Any:
            if as_json and format not in (None, "json"):
                raise UsageError(f"--json and --format {format} are both given", expected="one")
            chosen: Format | None = "json" if as_json else format
            special = False
            if path is not None and chosen is None:
                special = _ending(path) in files
                chosen = None if special else _form(path, known)
            return function(output=Output(chosen or "table", path, quiet, special), **rest)

        option = section(OUTPUT)
        options = [
            option("--json", "as_json", is_flag=True, help="JSON, with a versioned schema."),
            option(
                "-o", "--output", "path", type=click.Path(path_type=Path, dir_okay=False),
                callback=_writable, metavar="FILE", help=path_help,
            ),
            option("-q", "--quiet", is_flag=True, help="No progress and no warnings."),
            option(
                "--debug", is_flag=True, expose_value=False, callback=_debug,
                help="Show the traceback of an error.",
            ),
        ]  # fmt: skip
        if formats:
            choice = click.Choice(formats)
            options.insert(0, option("--format", type=choice, help="How to print it."))
        for each in reversed(options):
            wrapped = each(wrapped)
        return wrapped  # type: ignore[return-value]

    return decorate


def _ending(path: Path) -> str:
    return path.suffix.lower()


def _form(path: Path, known: tuple[str, ...]) -> Format:
    """What the file's name asks for; a table, where it has no ending.

    Raises:
        UsageError: an ending that is not known.
    """
    if not path.suffix:
        return "table"
    if _ending(path) not in known:
        raise UsageError(
            f"nothing can be written as {str(path)!r}",
            expected="a name that ends in " + ", ".join(known),
        )
    return _FORMS[_ending(path)]


def _writable(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Says so before the work begins if the folder is missing; ``-`` is stdout."""
    if path is None or str(path) == "-":
        return None
    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(path.parent)!r}.", ctx, param)
    return path


def _debug(ctx: click.Context, param: click.Parameter, on: bool) -> None:
    if on:
        ctx.meta[DEBUG] = True
