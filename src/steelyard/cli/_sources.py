"""What the verbs that take a SOURCE share: the capture options, and the capture itself."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from steelyard.cli import ALONE
from steelyard.cli._output import Output
from steelyard.cli._verb import section
from steelyard.errors import UsageError

if TYPE_CHECKING:
    import steelyard
    from steelyard.capture.kept import Captures

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Source:
    """How the sources on a command line are captured.

    Attributes:
        shapes: (input name or "", shape) for each ``--input``.
        batch: samples, None to leave what the source says.
        dtype: what floating-point tensors are stored in, None to leave it.
        deadline: seconds that one capture may take; 0 for no limit.
        fresh: capture also what is kept.
    """

    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    batch: int | None
    dtype: str | None
    deadline: float
    fresh: bool

    def capture(self, source: str, output: Output) -> steelyard.Workload:
        """The workload of ``source``; what its code prints goes to stderr."""
        shape, kept = self._input_shape(), _kept()
        load = kept.get(source, shape, self.batch) if kept and not self.fresh else None
        if load is None:
            load = self._captured(source, shape, kept, output)
        for note in dict.fromkeys(kept.notes if kept else ()):
            output.warn(note)
        return load.with_dtype(self.dtype) if self.dtype else load

    def rewritten(self, source: str) -> dict[str, steelyard.Workload]:
        """By rule of `steelyard rewrite`, the network after it; rules that find nothing to change are left out."""
        found = self._kept_rewritten(source)
        if self.dtype is None:
            return found
        return {rule: load.with_dtype(self.dtype) for rule, load in found.items()}

    def _kept_rewritten(self, source: str) -> dict[str, steelyard.Workload]:
        from steelyard.report.gather import RULES

        shape, kept = self._input_shape(), _kept()
        before = kept.get(source, shape, self.batch) if kept and not self.fresh else None
        if kept is None or before is None:
            return self._rewritten(source, shape)
        found = {}
        for rule in RULES:
            load = kept.get(source, ("rewritten", rule, shape), self.batch)
            if load is None:
                made = self._rewritten(source, shape)
                for each in RULES:
                    # where a rule finds nothing the network itself stands
                    after = made.get(each, before)
                    kept.put(source, ("rewritten", each, shape), self.batch, after)
                return made
            if load.digest != before.digest:
                found[rule] = load
        return found

    def _rewritten(self, source: str, shape: Any) -> dict[str, steelyard.Workload]:
        from steelyard.capture.source import parse_source

        if parse_source(source).kind not in ("zoo", "callable"):
            return {}
        from steelyard.design.rewrite import try_rules
        from steelyard.report.gather import RULES

        with _stdout_to_stderr():
            found = try_rules(source, RULES, input_shape=shape)
        return {rule: one.comparison.b.workload for rule, one in found.items()}

    def _captured(
        self, source: str, shape: Any, kept: Captures | None, output: Output
    ) -> steelyard.Workload:
        import steelyard
        from steelyard.capture.source import parse_source

        parsed = parse_source(source)
        if parsed.notice:
            output.note(parsed.notice)
            # it may change anything in this process
            click.get_current_context().meta.pop(ALONE, None)
        with output.working(f"capturing {source}"), _stdout_to_stderr():
            load = steelyard.capture(
                source, input_shape=shape, batch=self.batch, deadline_s=self.deadline or None
            )
        if kept and parsed.kind == "zoo":
            kept.put(source, shape, self.batch, load)
        return load

    def _input_shape(self) -> Any:
        if not self.shapes:
            return None
        if any(name for name, _ in self.shapes):
            return dict(self.shapes)
        shapes = [shape for _, shape in self.shapes]
        return shapes[0] if len(shapes) == 1 else shapes


def _kept() -> Captures | None:
    """What was captured before; None where code that is not ours shares this process."""
    begun = click.get_current_context().meta.get(ALONE)
    if begun is None:
        return None
    from steelyard.capture.kept import Captures

    return Captures(begun)


def capture_options(function: _Function) -> _Function:
    """Adds ``--input``, ``--batch``, ``--dtype``, ``--deadline`` and ``--fresh``, as ``how: Source``."""

    @functools.wraps(function)
    def wrapped(
        *,
        shapes: tuple[tuple[str, tuple[int, ...]], ...],
        batch: int | None,
        dtype: str | None,
        deadline: float,
        fresh: bool,
        **rest: Any,
    ) -> Any:
        return function(how=Source(shapes, batch, dtype, deadline, fresh), **rest)

    option = section("Capture of SOURCE")
    options = [
        option(
            "--input", "shapes", multiple=True, metavar="[NAME=]SHAPE", callback=read_shapes,
            help="Shape of an input, e.g. 1x3x224x224; once for each input. Default: the source's own.",
        ),
        option("--batch", type=click.IntRange(min=1), help="Number of samples."),
        option("--dtype", metavar="DTYPE", help="Store floating-point tensors in this type."),
        option(
            "--deadline", type=click.FloatRange(min=0), default=60.0, show_default=True,
            metavar="SECONDS", help="Give up a capture after so long; 0: never.",
        ),
        option("--fresh", is_flag=True, help="Capture anew what is kept from an earlier run."),
    ]  # fmt: skip
    for each in reversed(options):
        wrapped = each(wrapped)
    return wrapped  # type: ignore[return-value]


def read_shapes(
    ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Callback of an option: (name or "", shape) for each text."""
    parsed = []
    for text in texts:
        name, _, sizes = text.rpartition("=")
        if not re.fullmatch(r"[0-9]{1,18}([x,][0-9]{1,18})*", sizes):
            raise click.BadParameter(
                f"{text!r} is no shape; expected sizes with x between them, e.g. 1x3x224x224 "
                "or image=1x3x224x224.",
                ctx,
                param,
            )
        parsed.append((name, tuple(int(size) for size in re.split("[x,]", sizes))))
    names = [name for name, _ in parsed]
    if len(names) > 1 and any(names) and (not all(names) or len(set(names)) < len(names)):
        raise click.BadParameter("name each input once, or none of them.", ctx, param)
    return tuple(parsed)


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Sends what anybody prints, from Python or below, to stderr: stdout is for data."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def check_sources(sources: Sequence[str]) -> None:
    """Says what is wrong with a name before any work begins.

    Raises:
        SteelyardError: it follows no form of the grammar, or there is no such network or file.
    """
    from steelyard.capture.source import parse_source

    for source in sources:
        parse_source(source)


def zoo_settings(source: str) -> tuple[str, dict[str, Any]]:
    """The name and the settings of a SOURCE that must be a network of the zoo.

    Raises:
        UsageError: it is another kind of source.
        UnknownNameError: no such network.
    """
    from steelyard.capture.source import parse_source

    parsed = parse_source(source)
    if parsed.kind != "zoo":
        raise UsageError(
            f"{source!r} is no network of the zoo",
            expected="a name such as mobilenet_v2, with settings if need be",
            hint="steelyard models",
        )
    return parsed.name, dict(parsed.settings)
