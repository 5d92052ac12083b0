"""`in_short`: a network in plain words: what it is, what it costs, what limits it, what would help most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module

from steelyard.report.advice import Remedy, Saving
from steelyard.report.against import say_value
from steelyard.report.parts import Parts
from steelyard.report.words import percent, summary
from steelyard.units import format_si

BY: dict[str, str] = {
    "cost": "counted",
    "estimate": "estimated",
    "roofline": "by the ceilings",
}
"""What predicts a saving, in words."""


def in_short(parts: Parts) -> tuple[tuple[str, str], ...]:
    """(question, answer) of the four questions, the change against an earlier report first."""
    is_it, costs, *rest = summary(parts.cost)
    answers = [
        ("What changed", parts.against.sentence() if parts.against is not None else ""),
        ("What it is", " ".join([is_it, *_accuracy(parts)])),
        ("What it costs", " ".join([costs, *_on_devices(parts), *_measured(parts)])),
        ("What limits it", " ".join([*rest, *_limits(parts)])),
        ("What would help most", " ".join(_help(parts))),
    ]
    return tuple((question, answer) for question, answer in answers if answer)


def _accuracy(parts: Parts) -> Iterator[str]:
    if parts.neighbours is not None:
        yield parts.neighbours.sentence()


def _on_devices(parts: Parts) -> Iterator[str]:
    for placed in parts.placed:
        name, found = placed.device.name, placed.estimate
        if found is None:
            yield f"On {name} no program is faster than {format_si(placed.roof.time_s, 's')}."
            continue
        unit = found.device.energy_unit
        energy = f"{format_si(found.energy_pj * 1e-12, 'J')}"
        energy = energy if unit == "pJ" else f"{format_si(round(found.energy_pj), unit)}"
        images = "an image" if found.batch == 1 else f"{found.batch} images"
        yield f"On {name} {images} {'takes' if found.batch == 1 else 'take'} {energy} and {format_si(found.latency_s, 's')}."


def _measured(parts: Parts) -> Iterator[str]:
    if parts.split is not None:
        split = parts.split
        yield f"On this machine one inference took {format_si(split.median_s, 's')} ({split.setting}, measured)."


def _limits(parts: Parts) -> Iterator[str]:
    for placed in parts.placed:
        name, found = placed.device.name, placed.estimate
        if found is None:
            share = placed.roof.memory_share
            yield f"On {name} the memory is the limit for {percent(share)} of the least time."
            continue
        levels = found.energy_by_level()
        if found.energy_pj:
            most = max(levels, key=lambda level: levels[level])
            yield f"On {name} {most} takes {percent(levels[most] / found.energy_pj)} of the energy"
            yield f"and the units are used to {percent(found.utilization)}" + (
                f", limited most by {placed.bounds.network.limit}."
                if placed.bounds is not None and placed.bounds.layers
                else "."
            )
    if parts.split is not None:
        kinds = parts.split.by_kind()
        most_time = max(kinds, key=lambda kind: kind.seconds, default=None)
        if most_time is not None:
            words = kind_words()[most_time.kind]
            yield f"Of the measured time {percent(most_time.share)} goes to {words}."


def kind_words() -> Mapping[str, str]:
    """What the kinds of operators of a measured split are called."""
    # looked up where something was measured: this room imports results only
    found: Mapping[str, str] = import_module("steelyard.measure.operator_kinds").KINDS
    return found


def _help(parts: Parts) -> Iterator[str]:
    advice = parts.advice
    if advice is None:
        return
    best = [*advice.findings[:1], *advice.rewrites[:1]]
    # stable: where both save as much, what needs no other design comes first
    for one in sorted((one for one in best if one.share > 0), key=lambda one: -one.share):
        if one.guideline:
            yield (
                f"Of the guidelines {one.guideline} at {one.where} ({one.problem}): meeting it would save "
                f"{say_savings(one)}."
            )
        else:
            yield (
                f"Of the rewrites {one.rule}, {one.fix}, in {one.where}: it would save {say_savings(one)}; the network "
                "must then be trained again."
            )
    if not any(one.share > 0 for one in best):
        tried = " nor a rewrite of its layers" if advice.tried else ""
        yield f"{'Neither the' if tried else 'No'} guidelines for fast networks{tried} promise a gain."


def say_savings(one: Remedy, most: int = 2) -> str:
    """The first savings in words: ``at most 3.1 % of the energy on eyeriss (120 µJ, estimated)``."""
    return " and ".join(say_saving(saving) for saving in one.savings[:most])


def say_saving(saving: Saving) -> str:
    """One saving in words."""
    quantity = saving.quantity
    where = f" on {quantity.device}" if quantity.device else ""
    less = say_value(quantity, abs(quantity.before - quantity.after))
    how = f"{less}, {BY[saving.by]}"
    if saving.share < 0:
        return f"no {quantity.title}{where} (it grows by {-saving.share:.1%}: {how})"
    least = "at most " if saving.at_most else ""
    return f"{least}{percent(saving.share)} of the {quantity.title}{where} ({how})"


def extremes(several: Sequence[Parts]) -> str:
    """Which of several networks takes least of each quantity, in one sentence."""
    quantities: list[tuple[str, list[float]]] = [
        ("MACs", [one.cost.total.macs for one in several]),
        ("parameters", [one.cost.total.params for one in several]),
        ("activation memory", [one.cost.memory.peak_bytes for one in several]),
    ]
    for number, placed in enumerate(several[0].placed):
        on = [one.placed[number] for one in several]
        energies = [one.estimate.energy_pj for one in on if one.estimate is not None]
        times = [one.roof.time_s if one.estimate is None else one.estimate.latency_s for one in on]
        if len(energies) == len(on):
            quantities.append((f"energy on {placed.device.name}", energies))
        quantities.append((f"time on {placed.device.name}", times))
    least: dict[str, list[str]] = {}
    for title, values in quantities:
        low = min(values)
        second = sorted(values)[1]
        names = [one.name for one, value in zip(several, values, strict=True) if value == low]
        if len(names) == 1:
            factor = f" ({second / low:.3g} times less than the next)" if low else ""
            least.setdefault(names[0], []).append(f"{title}{factor}")
    said = [f"{name} takes the least {', '.join(titles)}" for name, titles in least.items()]
    return "; ".join(said) + "." if said else "They take as much of everything."
