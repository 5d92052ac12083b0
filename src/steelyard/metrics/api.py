"""`scorecard` and `scorecards`: the eight metrics of networks on devices, by the best means there are for each device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.cost import CostReport
from steelyard.errors import BackendError, InputError, UsageError
from steelyard.hardware.device import Accelerator, Roofline
from steelyard.hardware.estimate import estimate
from steelyard.hardware.estimate_result import Estimate
from steelyard.hardware.mapper_answer import Objective
from steelyard.hardware.registry import MEASURED
from steelyard.hardware.registry import device as find_device
from steelyard.hardware.roofline import roofline
from steelyard.measure.api import measure, measure_all
from steelyard.measure.child import available_cores
from steelyard.measure.measurement import Measurement
from steelyard.measure.predictor.prediction import BACKENDS, LatencyPrediction, predict_latency
from steelyard.metrics import bounded, modelled, timed
from steelyard.metrics.accuracy import accuracy
from steelyard.metrics.card import Metric, Scorecard, Scorecards, unavailable
from steelyard.metrics.comparison import unlike
from steelyard.metrics.equations import ENERGY, LATENCY, POWER, THROUGHPUT
from steelyard.metrics.expense import cost
from steelyard.metrics.fitting import flexibility
from steelyard.metrics.growth import Growth
from steelyard.metrics.machines import LINK_BYTES_PER_S
from steelyard.metrics.pricelist import Price
from steelyard.metrics.scalability import FACTORS, Grow
from steelyard.metrics.subject import Subject, subject
from steelyard.workload import Workload

if TYPE_CHECKING:
    from torch import nn

    from steelyard.train.run import Run

Progress = Callable[[str], None]

_PROGRAMMED = unavailable(
    "networks that map",
    "share",
    "a CPU or GPU is programmed, nothing is mapped to it; steelyard measure says what runs",
)


@dataclass(frozen=True, slots=True)
class _Settings:
    """The arguments of `scorecard` that say how; see there."""

    objective: Objective
    dataflow: str
    measured: bool
    backend: str
    threads: int | None
    runs: tuple[Run, ...]
    price: Price | float | None
    training_price: Price | float | None
    power_limit_w: float | None
    zoo: str
    growth: Growth
    progress: Progress


def scorecard(
    net: str | nn.Module | Workload | CostReport,
    device: str | Path | Accelerator | Roofline = MEASURED,
    *,
    batch: int | None = None,
    input_shape: Sequence[int] | None = None,
    objective: Objective = "energy",
    dataflow: str = "",
    measured: bool = False,
    backend: str = "eager",
    threads: int | None = None,
    run: str | Path | Run | Sequence[str | Path | Run] = (),
    price: Price | float | None = None,
    training_price: Price | float | None = None,
    power_limit_w: float | None = None,
    zoo: str = "",
    pe_factors: Sequence[float] = FACTORS,
    grow: Grow = "array",
    link_bytes_per_s: float = LINK_BYTES_PER_S,
    known: Estimate | None = None,
    progress: Progress | None = None,
) -> Scorecard:
    """The eight key metrics of a network on a device, each with its factors; what is not known is named, never guessed.

    An accelerator is modelled (`steelyard.estimate`). ``cpu``, this machine, is measured if ``measured`` says so, else
    predicted where it was calibrated (`steelyard.calibrate`), else bounded by its ceilings, like every other CPU or GPU.

    Args:
        net: a SOURCE, a module, a workload, or its costs.
        device: a name of `steelyard devices`, a YAML file, or a device.
        batch: images of one pass; None: as captured.
        input_shape: (N, C, H, W), of what must be captured.
        objective, dataflow: of the mappings.
        measured: run the network here; only for ``cpu``, and a SOURCE or a module.
        backend, threads: of this machine.
        run: a training run of the network, or several that differ in their processes; accuracy and cost of training
            are those of the first.
        price: USD an hour of the device; None: the newest of `steelyard.metrics.prices`.
        training_price: USD an hour of each device of the training.
        power_limit_w: what the device may draw, which bounds its throughput.
        zoo: patterns of networks to try on the device, e.g. ``resnet*,vgg16`` or ``*``; "": this network only.
        pe_factors: sizes of the array to try, in powers of two.
        grow: what grows with the array: ``array`` or ``bandwidth``.
        link_bytes_per_s: between machines.
        known: an estimate of this network on this device, if there is one already.
        progress: told what is being done.

    Raises:
        UsageError: options that exclude each other, a run of another network, or a device without a peak for
            the network's data type.
        UnknownNameError: no such device, dataflow or network.
        BackendError: the network cannot be measured.
        SteelyardError: whatever `steelyard.capture` raises.
    """
    settings = _Settings(
        objective, dataflow, measured, backend, threads, _runs(run), price, training_price, power_limit_w, zoo,
        Growth(tuple(pe_factors), grow, link_bytes_per_s), progress or (lambda doing: None),
    )  # fmt: skip
    chosen = find_device(device) if isinstance(device, str | Path) else device
    if not isinstance(chosen, Accelerator | Roofline):
        raise UsageError(
            f"a {type(chosen).__name__} is no device", expected="a name, a file or a device"
        )
    settings.progress("capturing the network")
    asked = subject(net, input_shape=input_shape, batch=batch)
    here = chosen.name == MEASURED
    runnable = net if here and not isinstance(net, Workload | CostReport) else None
    if measured and runnable is None:
        raise UsageError(
            f"measured=True for {asked.name} on {chosen.name}",
            expected=f"the device {MEASURED}, and a SOURCE or a module, which can run",
        )
    if isinstance(chosen, Accelerator):
        return _on_accelerator(asked, chosen, settings, known)
    return _on_processor(asked, chosen, settings, runnable)


def scorecards(cards: Sequence[Scorecard]) -> Scorecards:
    """Cards side by side, with what must be thought of before they are compared.

    Raises:
        UsageError: fewer than two.
    """
    if len(cards) < 2:
        raise UsageError(f"{len(cards)} cards to compare", expected="at least 2")
    return Scorecards(tuple(cards), unlike(cards))


def _runs(given: str | Path | Run | Sequence[str | Path | Run]) -> tuple[Run, ...]:
    if not isinstance(given, str | Path) and isinstance(given, Sequence) and not given:
        return ()
    # here: most cards are of no training
    from steelyard.train.run import Run

    several = [given] if isinstance(given, str | Path | Run) else list(given)
    return tuple(one if isinstance(one, Run) else Run.open(one) for one in several)


def _on_accelerator(
    net: Subject, chip: Accelerator, settings: _Settings, known: Estimate | None
) -> Scorecard:
    say = settings.progress
    found, reason = known, ""
    if found is None:
        say(f"mapping {net.name} to {chip.name}")
        try:
            found = estimate(
                net.load, chip, objective=settings.objective, dataflow=settings.dataflow
            )
        except InputError as error:
            reason = error.given
    speed = _modelled(found, settings) if found is not None else _none_of_the_four(reason)
    say(f"trying networks on {chip.name}" if settings.zoo else f"trying each layer on {chip.name}")
    flexible = flexibility(
        chip,
        settings.zoo or [net.load],
        objective=settings.objective,
        dataflow=settings.dataflow,
        progress=lambda done, every, name: say(f"trying {name} on {chip.name}, {done} of {every}"),
    )
    grown = settings.growth.of_accelerator(
        net.load, chip, settings.dataflow, settings.objective, found, settings.runs, say
    )
    metrics = (*speed, _cost(net, chip, speed[0], settings), flexible.metric(), grown)
    notes = (*(found.notes if found else ()), *flexible.notes)
    return _card(net, chip, metrics, settings, notes)


def _modelled(found: Estimate, settings: _Settings) -> tuple[Metric, ...]:
    return (
        modelled.throughput(found),
        modelled.latency(found),
        modelled.energy(found),
        modelled.power(found, settings.power_limit_w),
    )


def _none_of_the_four(reason: str) -> tuple[Metric, ...]:
    return (
        Metric(
            "throughput", unavailable("throughput", "inferences/s", reason), equation=THROUGHPUT
        ),
        Metric("latency", unavailable("latency", "s", reason), equation=LATENCY),
        Metric("energy", unavailable("energy per inference", "J", reason), equation=ENERGY),
        Metric("power", unavailable("power", "W", reason), equation=POWER),
    )


def _on_processor(
    net: Subject, device: Roofline, settings: _Settings, runnable: str | nn.Module | None
) -> Scorecard:
    growth = settings.growth
    notes: tuple[str, ...] = ()
    flexible = Metric("flexibility", _PROGRAMMED)
    if settings.measured and runnable is not None:
        rows = _measured(net, runnable, settings)
        notes = tuple(note for row in rows for note in row.warnings)
        speed = timed.measured(rows[-1], net.load.macs, device)
        flexible = timed.flexibility(rows[-1])
        grown = growth.of_threads(net.load, rows, settings.runs)
    else:
        told = _predicted(net, settings) if device.name == MEASURED else None
        if told is not None:
            notes = told.warnings
            speed = timed.predicted(told, net.load.macs, device)
        else:
            speed = bounded.metrics(roofline(net.load, device), device, net.load.batch)
        grown = growth.of_processor(net.load, device, settings.runs)
    metrics = (*speed, _cost(net, device, speed[0], settings), flexible, grown)
    return _card(net, device, metrics, settings, notes)


def _measured(
    net: Subject, runnable: str | nn.Module, settings: _Settings
) -> tuple[Measurement, ...]:
    """With one thread, if more are asked for, and with as many as are asked for; a SOURCE's rows take turns."""
    threads = sorted({1, settings.threads or available_cores()})
    batch, shape = net.load.batch, net.input_shape or None
    settings.progress(f"measuring {net.name}")
    if not isinstance(runnable, str):
        return tuple(
            measure(
                runnable, backend=settings.backend, batch=batch, threads=count, input_shape=shape
            )
            for count in threads
        )
    found = measure_all(
        [runnable], backends=[settings.backend], batches=[batch], threads=threads, input_shape=shape,
        progress=lambda doing, share: settings.progress(doing),
    )  # fmt: skip
    if found.failures:
        raise BackendError(found.failures[0].reason)
    return found.rows


def _predicted(net: Subject, settings: _Settings) -> LatencyPrediction | None:
    """By the calibration of this machine; None without one."""
    if settings.backend not in BACKENDS:
        return None
    with suppress(UsageError, InputError):
        return predict_latency(
            net.load, backend=settings.backend, batch=net.load.batch, threads=settings.threads
        )
    return None


def _cost(
    net: Subject, device: Accelerator | Roofline, speed: Metric, settings: _Settings
) -> Metric:
    run = settings.runs[0] if settings.runs else None
    return cost(
        net.load,
        device,
        speed.figure,
        price=settings.price,
        run=run,
        training_price=settings.training_price,
    )


def _card(
    net: Subject,
    device: Accelerator | Roofline,
    metrics: tuple[Metric, ...],
    settings: _Settings,
    notes: tuple[str, ...] = (),
) -> Scorecard:
    first = accuracy(net, device, settings.runs[0] if settings.runs else None)
    said = tuple(dict.fromkeys((*net.load.warnings, *notes)))
    return Scorecard(net.name, device.name, net.load.batch, (first, *metrics), said)
