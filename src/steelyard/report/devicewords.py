"""Sentences about a network on a device: what it costs there, what dominates, what limits it."""

from __future__ import annotations

from collections.abc import Mapping

from steelyard.hardware.bounds import STEPS
from steelyard.hardware.energy_units import format_energy, format_power, unit_note
from steelyard.hardware.estimate import Estimate
from steelyard.report.layerpanels import OPERAND_WORDS
from steelyard.report.placed import BUSY, STALL, Placed, Row
from steelyard.report.words import percent
from steelyard.units import format_bytes, format_si


def device_sentences(placed: Placed) -> tuple[str, ...]:
    """The result in plain words, a paragraph each."""
    if placed.estimate is None:
        return (_roof(placed),)
    return tuple(
        sentence
        for sentence in (
            _how(placed, placed.estimate),
            _energy(placed, placed.estimate),
            _time(placed),
            _bounds(placed),
        )
        if sentence
    )


def _how(placed: Placed, found: Estimate) -> str:
    images = "one image" if found.batch == 1 else f"{found.batch} images at once"
    flow = f"of dataflow {found.dataflow}" if found.dataflow else "of any dataflow"
    flow += ", uneven ones among them" if found.mapspace == "uneven" else ""
    proven = "proven the best" if found.gap < 1e-9 else f"at most {found.gap:.2%} from the best"
    return (
        f"{found.workload} takes {format_energy(found.energy_pj, found.device)} and {format_si(found.latency_s, 's')} for {images} on "
        f"{_device(placed)}: {found.throughput_per_s:,.4g} images a second at "
        f"{format_power(found.power_w)}. Each layer's mapping minimises {found.objective}, {proven} {flow}."
        + "".join(f" {note}" for note in unit_note(found.device))
    )


def _device(placed: Placed) -> str:
    title = placed.device.title
    return f"{placed.device.name} ({title})" if title else placed.device.name


def _energy(placed: Placed, found: Estimate) -> str:
    whole = found.energy_pj
    if not whole:
        return ""
    levels = _leading(found.energy_by_level(), whole)
    operands = {OPERAND_WORDS[key]: pj for key, pj in found.energy_by_operand().items()}
    heaviest = sorted(placed.rows, key=lambda row: -row.cost.energy_pj)[:3]
    layers = _and([f"{row.name} ({percent(row.cost.energy_pj / whole)})" for row in heaviest])
    return (
        f"The energy goes to {levels}; by type of data to {_leading(operands, whole)}. "
        f"The heaviest layers are {layers}."
    )


def _leading(parts: Mapping[str, float], whole: float) -> str:
    """The largest parts, until nine tenths are named."""
    said, sum_ = [], 0.0
    for name, value in sorted(parts.items(), key=lambda item: -item[1]):
        if sum_ >= 0.9 * whole or not value:
            break
        said.append(f"{name} ({percent(value / whole)})")
        sum_ += value
    return _and(said)


def _time(placed: Placed) -> str:
    split: dict[str, float] = {}
    for row in placed.rows:
        for what, cycles in row.split.items():
            split[what] = split.get(what, 0.0) + cycles
    whole = sum(split.values())
    if not whole or placed.estimate is None:
        return ""
    waits = sorted((item for item in split.items() if item[0] != BUSY), key=lambda i: -i[1])
    what, cycles = waits[0] if waits else (STALL, 0.0)
    wait = f", {what} takes {percent(cycles / whole)}" if cycles else ""
    longest: Row = max(placed.rows, key=lambda row: row.cost.cycles)
    share = longest.cost.cycles / whole
    moved = format_bytes(sum(row.dram_bytes for row in placed.rows))
    return (
        f"Units compute in {percent(split.get(BUSY, 0.0) / whole)} of the time{wait}; of all that they "
        f"could do they do {percent(placed.estimate.utilization)}. {longest.name} takes longest "
        f"({percent(share)}). {moved} pass the outermost memory."
    )


def _bounds(placed: Placed) -> str:
    if placed.bounds is None or not placed.bounds.layers:
        return ""
    network = placed.bounds.network
    number = dict.fromkeys(STEPS, 0)
    for layer in placed.bounds.layers:
        number[layer.limit] += 1
    worst = max(number, key=lambda step: number[step])
    return (
        f"No mapping gets beyond {percent(network.utilization)} of the {placed.bounds.pes:,} units over the whole "
        f"network. The step that costs most is {network.limit}; layer by layer it is most often {worst} "
        f"({number[worst]} of {len(placed.bounds.layers)})."
    )


def _roof(placed: Placed) -> str:
    roof = placed.roof
    bound = sum(1 for point in roof.layers if point.macs and point.limit == "memory")
    layers = sum(1 for point in roof.layers if point.macs)
    return (
        f"No program runs {roof.workload} in less than {format_si(roof.time_s, 's')} on {_device(placed)}: "
        f"{format_si(roof.attainable_macs_per_s, 'MAC/s')} of {format_si(roof.peak_macs_per_s, 'MAC/s')} in "
        f"{roof.dtype}. The memory is the limit for "
        f"{percent(roof.memory_share)} of that time and in {bound} of {layers} layers that multiply and accumulate. "
        "Of this device only the ceilings are known: there is no energy and no mapping."
    )


def _and(parts: list[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
