"""The options of verbs that run networks with exits: what an image may cost, and how the network keeps to it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from steelyard.cli._verb import section
from steelyard.errors import LimitError, UsageError

if TYPE_CHECKING:
    import steelyard
    from steelyard.cli._output import Output

_Function = TypeVar("_Function", bound=Callable[..., Any])
_TITLE = "Budget of an image, for networks with exits"


@dataclass(frozen=True, slots=True)
class Budget:
    """What the options say; `settings` once the device is known.

    Attributes:
        text: the budget; None for none.
        policy, distribution, calibrate, backend: as `steelyard.BudgetSettings` has them.
    """

    text: str | None
    policy: str
    distribution: Literal["geometric", "free"]
    calibrate: bool
    backend: Literal["eager", "compile", "onnxruntime"]

    def settings(self, device: str | None) -> steelyard.BudgetSettings | None:
        """For the library; None without a budget.

        Args:
            device: of ``--device``: the accelerator of a budget in joules.

        Raises:
            UsageError: another device for another budget.
        """
        import steelyard

        if self.text is None:
            return None
        joules = self.text.strip().endswith("J")
        if device not in (None, "cpu") and not joules:
            raise UsageError(
                f"--device {device} for a budget of {self.text}, which is kept to on the CPU",
                expected="an accelerator for a budget in joules, such as 2mJ",
                hint="without --device",
            )
        return steelyard.BudgetSettings(
            self.text,
            policy=self.policy,
            distribution=self.distribution,
            calibrate=self.calibrate,
            accelerator=(device or "") if joules else "",
            backend=self.backend,
        )


def budget_options(function: _Function) -> _Function:
    """Adds ``--budget`` and what goes with it; the function gets them as one argument ``budget: Budget``."""
    option = section(_TITLE)
    options = (
        option("--budget", "text", metavar="COST", help="On average: 30M (MACs), 5ms (measured), 2mJ (with --device eyeriss)."),
        option("--budget-ms", "milliseconds", type=click.FloatRange(0, min_open=True), metavar="MS", help="The same as --budget with ms."),
        option("--policy", type=click.Choice(["confidence", "margin", "entropy", "patience", "learnt"]), help="By what images leave early.  [default: confidence]"),
        option("--distribution", type=click.Choice(["geometric", "free"]), help="Of the images over the exits.  [default: geometric]"),
        option("--calibrate", is_flag=True, help="Fit a temperature for each exit first."),
        option("--backend", type=click.Choice(["eager", "compile", "onnxruntime"]), help="What runs the stages.  [default: eager]"),
    )  # fmt: skip

    @functools.wraps(function)
    def wrapped(
        *,
        text: str | None,
        milliseconds: float | None,
        policy: str | None,
        distribution: Literal["geometric", "free"] | None,
        calibrate: bool,
        backend: Literal["eager", "compile", "onnxruntime"] | None,
        **rest: Any,
    ) -> Any:
        if text is not None and milliseconds is not None:
            raise UsageError("--budget and --budget-ms are both given", expected="one")
        asked = text if milliseconds is None else f"{milliseconds:.15g}ms"
        if asked is None and (policy or distribution or calibrate or backend):
            raise UsageError(
                "options of a budget without a budget", expected="--budget", hint="--budget 30M"
            )
        chosen = Budget(
            asked,
            policy or "confidence",
            distribution or "geometric",
            calibrate,
            backend or "eager",
        )
        return function(budget=chosen, **rest)

    for each in reversed(options):
        wrapped = each(wrapped)
    return wrapped  # type: ignore[return-value]


def evaluation_options(function: _Function) -> _Function:
    """Adds ``--validation``, ``--save-thresholds`` and ``--export``."""
    option = section(_TITLE)
    options = (
        option("--validation", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Share of the images on which thresholds are solved; the rest judges.  [default: 0.5; of a run that kept images from training these, and all others judge]"),
        option("--save-thresholds", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write a budget's thresholds, for steelyard predict --thresholds."),
        option("--export", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER", help="Write the stages as ONNX files with the thresholds, for steelyard predict FOLDER."),
    )  # fmt: skip
    for each in reversed(options):
        function = each(function)
    return function


def evaluate_within(
    budget: Budget,
    network: str,
    *,
    device: str | None,
    validation: float | None,
    save_thresholds: Path | None,
    export: Path | None,
    min_top1: float | None,
    output: Output,
    data: str | None,
    split: str,
    transforms: tuple[str, ...],
    batch: int,
    workers: int,
    weights: str | None,
    checkpoint: Literal["best", "last"],
) -> None:
    """What ``steelyard evaluate --budget`` does.

    Raises:
        UsageError: no budget.
        LimitError: less accurate than asked for.
    """
    import steelyard

    settings = budget.settings(device)
    if settings is None:
        raise UsageError(
            "--save-thresholds and --export are of a budget",
            expected="--budget",
            hint="--budget 30M",
        )
    with output.bar(f"evaluating {network}") as show:
        found = steelyard.evaluate_budget(
            network,
            settings,
            data=data,
            split=split,
            validation=validation,
            transforms=transforms or None,
            batch=batch,
            workers=workers,
            weights=weights,
            checkpoint=checkpoint,
            export=export,
            progress=show,
        )
    if output.picture is not None:
        from steelyard.train.budget_page import save_budget

        output.note(f"wrote {save_budget(found, output.picture)}")
    else:
        output.show(found)
    if save_thresholds is not None:
        from steelyard.dynamic.threshold_file import save_thresholds as save

        output.note(f"wrote {save(found.thresholds, save_thresholds)}")
    if export is not None:
        output.note(f"wrote {export}")
    if min_top1 is not None and found.top1 < min_top1:
        raise LimitError(f"top-1 is {found.top1:.2f} %", expected=f"at least {min_top1:g} %")
