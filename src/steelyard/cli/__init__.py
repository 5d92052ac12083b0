"""The command line: `main`, the lazily loaded group of verbs, and the exit codes.

Each verb is one file here with a ``command``; it parses, calls the public API and prints. Exit codes:

====  =====================================================================================
0     done
1     done, and a limit that the user set is exceeded
2     the command line is wrong
3     what was handed in is wrong: a file, a name, a network
4     a backend failed, or an optional library is missing
70    a mistake in steelyard itself
130   interrupted (Ctrl-C)
141   the reader of the output went away (``steelyard ... | head``)
143   ended by another program (SIGTERM)
====  =====================================================================================
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import NoReturn

import click

from steelyard._version import __version__
from steelyard.errors import SteelyardError

TOPICS = {
    "Weigh": {
        "models": "List the networks of the zoo, or show one and its settings.",
        "cost": "Parameters, MACs, memory and memory access, layer by layer.",
        "compare": "What changed from one network to another.",
        "report": "A page on networks: plain words, charts, tables; for CI, too.",
        "scorecard": "The eight key metrics on devices, with their factors.",
        "serve": "All of it in the browser: graphs, knobs, comparisons.",
    },
    "Modelled hardware": {
        "devices": "List the devices, or show one.",
        "roofline": "The speed that a device's ceilings allow each layer.",
        "estimate": "Energy and time on accelerators, each layer mapped best.",
        "systolic": "Cycles of a systolic array, layer by layer.",
        "sparsity": "Count zeros on photographs, for estimate --zeros.",
    },
    "This machine": {
        "measure": "How fast networks run, in several runtimes side by side.",
        "optimize": "Find the fastest way to run a network, and store it.",
        "calibrate": "Learn how long operators take, for measure --predict.",
        "guidelines": "Repeat ShuffleNet V2's experiments G1 to G4.",
    },
    "Better networks": {
        "rewrite": "Exchange layers and see what that changes.",
        "scale": "Scale depth, width and resolution to a target.",
        "search": "Search a space for networks that no other beats.",
    },
    "Data and accuracy": {
        "data": "List, download and look at data sets.",
        "train": "Train a network by a recipe; goes on after any end.",
        "evaluate": "Accuracy, confusion and calibration on a data set.",
        "predict": "Name what a network sees in photographs.",
        "surface": "The loss around a trained network.",
    },
    "Reference": {
        "tables": "Published tables beside the same figures, counted here.",
        "explain": "What a word in steelyard's tables and names means.",
        "doctor": "Versions, optional libraries, CPUs and threads.",
    },
}
"""The verbs in the order in which ``--help`` lists them, each in a line that 80 columns hold."""

VERBS = tuple(verb for verbs in TOPICS.values() for verb in verbs)

DEBUG = "steelyard.debug"
"""Key in ``click.Context.meta``: show tracebacks."""

ALONE = "steelyard.alone"
"""Key in ``click.Context.meta``: when this process began, if only steelyard's own code runs in it."""


class _Verbs(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name, imported."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"steelyard.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the verbs by topic, without importing them."""
        width = max(map(len, VERBS))
        for topic, verbs in TOPICS.items():
            with formatter.section(topic):
                formatter.write_dl([(verb.ljust(width), about) for verb, about in verbs.items()])


_GROUP = _Verbs(
    "steelyard",
    help="""Weigh convolutional networks, put them on modelled hardware, measure, train, scale and search them.

    SOURCE is the same everywhere: a network of the zoo (resnet50, or resnet50:num_classes=10), an
    .onnx, .pt2 or .json file, or package.module:callable, which imports and runs that code.
    """,
    epilog="steelyard VERB --help has options and examples. Exit codes: 0 ok, 1 a limit is exceeded, 2 usage, 3 bad input, 4 a backend failed.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            help="Show the version and exit.",
            callback=lambda ctx, _, on: _version(ctx) if on else None,
        )
    ],
)


def _version(ctx: click.Context) -> NoReturn:
    click.echo(f"steelyard {__version__}")
    ctx.exit(0)


def main() -> NoReturn:
    """The entry point of the program ``steelyard``."""
    begun = time.time()
    try:
        code = run(sys.argv[1:], begun=begun)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    if any(not t.daemon and t is not threading.main_thread() for t in threading.enumerate()):
        # a search that nobody waits for any more
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def run(args: Sequence[str], *, begun: float | None = None) -> int:
    """Runs one command line and returns its exit code; errors are printed on stderr.

    ``begun`` is for the program itself: when it began, which says that nothing else runs in this process.
    """
    meta: dict[str, object] = {}
    try:
        if os.environ.get("_STEELYARD_COMPLETE"):
            return _complete(os.environ["_STEELYARD_COMPLETE"])
        with _GROUP.make_context("steelyard", list(args)) as ctx:
            meta = ctx.meta
            if begun is not None:
                meta[ALONE] = begun
            _GROUP.invoke(ctx)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SteelyardError as error:
        if meta.get(DEBUG):
            raise
        _say(str(error))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # nothing more can be written; the interpreter's own flush at exit must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if meta.get(DEBUG):
            raise
        _say(
            f"{type(error).__name__}: {error}\n"
            "this is a mistake in steelyard: please report it with the command line\n"
            "try: the same command with --debug, which shows the traceback"
        )
        return 70
    return 0


def _say(message: str) -> None:
    """Prints an error; names in it may come from a file that nobody trusts."""
    from steelyard.report.escape import printable

    first, *rest = map(printable, message.split("\n"))
    click.echo(click.style("error: ", fg="red", bold=True) + first, err=True)
    for line in rest:
        click.echo(f"  {line}", err=True)


def _complete(instruction: str) -> int:
    from click.shell_completion import shell_complete

    return shell_complete(_GROUP, {}, "steelyard", "_STEELYARD_COMPLETE", instruction)
