"""Throughput, latency, energy and power of an `Estimate`: an accelerator, each layer with its best mapping."""

from __future__ import annotations

from steelyard.hardware.device import Accelerator
from steelyard.hardware.energy_units import relative
from steelyard.hardware.estimate_result import Estimate
from steelyard.metrics.card import Basis, Factor, Figure, Metric, product, unavailable
from steelyard.metrics.equations import ENERGY, LATENCY, POWER, THROUGHPUT, in_flight

_HOW: Basis = "modelled"
PICO = 1e-12


def active_share(found: Estimate) -> tuple[float, float]:
    """(active PEs of all, utilisation of the active) over the whole pass; their product is the estimate's utilisation.

    A layer that only moves data has no active PE.
    """
    busy = 0.0
    for layer in found.layers:
        repeats = layer.repeats or (1,) * len(layer.parts)
        for (_, answer), times in zip(layer.parts, repeats, strict=True):
            busy += times * answer.evaluation.units_used * answer.evaluation.cycles
    share = busy / (found.cycles * found.device.pes) if found.cycles else 0.0
    return share, (found.macs / busy if busy else 0.0)


def throughput(found: Estimate) -> Metric:
    """Inferences a second, by clock, PEs and their utilisation."""
    if not found.cycles or not found.macs:
        reason = "no layer multiplies and accumulates, or none takes time"
        return Metric(
            "throughput", unavailable("throughput", "inferences/s", reason), equation=THROUGHPUT
        )
    device = found.device
    active, of_active = active_share(found)
    clock = Factor("clock", device.clock_hz, "cycles/s")
    per_operation = Factor("cycles per operation of a PE", 1.0, "cycles", divides=True)
    pes = Factor("PEs", device.pes)
    shares = (
        Factor("active PEs", active, "share"),
        Factor("utilisation of the active", of_active, "share"),
    )
    operations = Factor("operations per inference", found.macs / found.batch, "MAC", divides=True)
    figure = product(
        "throughput", "inferences/s", (clock, per_operation, pes, *shares, operations), _HOW
    )
    others = (
        product("operations", "MAC/s", (clock, per_operation, pes, *shares), _HOW),
        product("peak", "MAC/s", (clock, per_operation, pes), _HOW),
        product("utilisation", "share", shares, _HOW),
        in_flight(figure.value or 0.0, found.latency_s, _HOW),
    )
    stated = (
        ("batch", str(found.batch)),
        ("peak and utilisation", "as above: the peak alone says nothing of this network"),
        ("precision", _bits(device)),
        ("mappings", _mappings(found)),
    )
    return Metric("throughput", figure, others, THROUGHPUT, stated)


def latency(found: Estimate) -> Metric:
    """Seconds of one pass."""
    factors = (
        Factor("cycles of one pass", found.cycles, "cycles"),
        Factor("clock", found.device.clock_hz, "cycles/s", divides=True),
    )
    stated = (
        ("batch", str(found.batch)),
        (
            "from where to where",
            "inputs in DRAM to outputs in DRAM, layer after layer; no host, no queue",
        ),
        ("mappings", _mappings(found)),
    )
    return Metric("latency", product("latency", "s", factors, _HOW), (), LATENCY, stated)


def energy(found: Estimate) -> Metric:
    """Energy of one inference by memory level, DRAM's apart from the chip's."""
    device = found.device
    ratio = relative(device)
    unit, scale = ("MAC", 1.0) if ratio else ("J", PICO)
    levels = found.energy_by_level()
    outer = device.memories[0].name
    each = {name: scale * value / found.batch for name, value in levels.items()}
    names = {name: "operations" if name == "MAC" else f"data movement, {name}" for name in each}
    figure = product(
        "energy per inference",
        unit,
        tuple(Factor(names[name], value, unit) for name, value in each.items()),
        _HOW,
        "sum",
    )
    chip = tuple(Factor(names[name], value, unit) for name, value in each.items() if name != outer)
    others = [product("chip", unit, chip, _HOW, "sum"), _dram(found, each.get(outer, 0.0), unit)]
    others.append(
        product(
            "operations",
            unit,
            (
                Factor("operations per inference", found.macs / found.batch, "MAC"),
                Factor("energy per operation", scale * device.mac_pj, f"{unit}/MAC"),
            ),
            _HOW,
        )
    )
    stated = [
        ("batch", str(found.batch)),
        ("DRAM energy", "in the sum, and apart from the chip's"),
        ("process node", f"{device.node_nm:g} nm" if device.node_nm else ""),
        ("precision", _bits(device)),
        ("mappings", _mappings(found)),
    ]
    missing = [("clock tree, control and leakage", "the model counts accesses and operations only")]
    if device.node_nm is None:
        missing.append(("process node", "the device's file states none"))
    if ratio:
        stated.append(
            ("unit", "multiples of one operation's energy, not joules: only ratios mean anything")
        )
    return Metric(
        "energy",
        figure,
        tuple(others),
        ENERGY,
        tuple(one for one in stated if one[1]),
        tuple(missing),
    )


def _dram(found: Estimate, energy: float, unit: str) -> Figure:
    accesses = found.dram_accesses / found.batch
    if not accesses:
        return Figure("DRAM", 0.0, unit, basis=_HOW)
    factors = (
        Factor("DRAM accesses per inference", accesses, "elements"),
        Factor("energy per access, mean", energy / accesses, f"{unit}/element"),
    )
    return product("DRAM", unit, factors, _HOW)


def power(found: Estimate, limit_w: float | None = None) -> Metric:
    """Energy of an inference times inferences a second.

    Args:
        found: the estimate.
        limit_w: what the device may draw, which bounds its throughput; None: not known.
    """
    device = found.device
    if relative(device) or not found.cycles:
        reason = "the device's energies are no joules" if found.cycles else "nothing takes time"
        return Metric("power", unavailable("power", "W", reason), equation=POWER)
    per_s = Factor("throughput", found.throughput_per_s, "inferences/s")
    whole = Factor("energy per inference", found.energy_pj * PICO / found.batch, "J")
    outer = found.energy_by_level().get(device.memories[0].name, 0.0) * PICO / found.batch
    others = [
        product(
            "chip",
            "W",
            (Factor("chip's energy per inference", whole.value - outer, "J"), per_s),
            _HOW,
        ),
        product("DRAM", "W", (Factor("DRAM's energy per inference", outer, "J"), per_s), _HOW),
    ]
    if limit_w is None:
        others.append(
            unavailable(
                "throughput that the power allows",
                "inferences/s",
                "no limit is stated: --power-limit WATTS",
            )
        )
    elif whole.value:
        limit = Factor("limit", limit_w, "W")
        energy = Factor(whole.name, whole.value, "J", divides=True)
        others.append(
            product("throughput that the power allows", "inferences/s", (limit, energy), "bound")
        )
    stated = (
        ("DRAM power", "in the sum, and apart from the chip's"),
        ("utilisation", f"{found.utilization:.1%} of the PEs' time: more work a second draws more"),
    )
    missing = (("leakage and clock", "the model counts accesses and operations only"),)
    return Metric(
        "power", product("power", "W", (whole, per_s), _HOW), tuple(others), POWER, stated, missing
    )


def _bits(device: Accelerator) -> str:
    bits = device.bits
    return f"inputs of {bits['I']} bits, weights of {bits['W']}, outputs of {bits['O']}"


def _mappings(found: Estimate) -> str:
    flow = f"dataflow {found.dataflow}" if found.dataflow else "any dataflow"
    proven = "proven the best" if found.gap < 1e-9 else f"up to {found.gap:.1%} from the best"
    return f"each layer's minimises {found.objective}, {flow}; {proven}"
