"""Throughput, latency, energy and power of a device of which only the ceilings are known: bounds, and named as such."""

from __future__ import annotations

from steelyard.hardware.device import Roofline
from steelyard.hardware.roofline import RooflineReport
from steelyard.metrics.card import Factor, Figure, Metric, product, unavailable
from steelyard.metrics.equations import ENERGY, LATENCY, POWER, in_flight

THROUGHPUT = "inferences/s <= peak x attainable share of the peak / operations per inference"

_NO_PES = "only the device's ceilings are known; this machine can be measured: --measured"


def metrics(roof: RooflineReport, device: Roofline, batch: int) -> tuple[Metric, ...]:
    """The four metrics, in the order of `METRICS`.

    Args:
        roof: the network under the device's roof.
        device: itself.
        batch: images of one pass.
    """
    energy = unavailable("energy per inference", "J", _NO_PES)
    energies = Metric("energy", energy, equation=ENERGY)
    return (_throughput(roof, batch), _latency(roof, batch), energies, no_power(device))


def _throughput(roof: RooflineReport, batch: int) -> Metric:
    if not roof.macs or not roof.time_s:
        reason = "no layer multiplies and accumulates, or none takes time"
        return Metric(
            "throughput", unavailable("throughput", "inferences/s", reason), equation=THROUGHPUT
        )
    peak = Factor("peak", roof.peak_macs_per_s, "MAC/s")
    share = Factor("attainable share", roof.attainable_macs_per_s / roof.peak_macs_per_s, "share")
    operations = Factor("operations per inference", roof.macs / batch, "MAC", divides=True)
    figure = product("throughput", "inferences/s", (peak, share, operations), "bound")
    others = (
        product("operations", "MAC/s", (peak, share), "bound"),
        in_flight(figure.value or 0.0, roof.time_s, "bound"),
        Figure("time in which memory is the limit", roof.memory_share, "share", basis="bound"),
        unavailable("cycles per operation, PEs, active PEs", "", _NO_PES),
    )
    stated = (
        ("batch", str(batch)),
        ("peak and utilisation", "as above: a share that no program passes"),
        ("precision", roof.dtype),
    )
    return Metric("throughput", figure, others, THROUGHPUT, stated)


def _latency(roof: RooflineReport, batch: int) -> Metric:
    parts: dict[str, float] = {}
    for point in roof.layers:
        parts[point.limit] = parts.get(point.limit, 0.0) + point.time_s
    factors = tuple(
        Factor(f"layers that meet the ceiling of {limit}", time_s, "s")
        for limit, time_s in parts.items()
        if limit != "nothing"
    )
    if not factors:
        return Metric(
            "latency", unavailable("latency", "s", "no layer takes time"), equation=LATENCY
        )
    stated = (
        ("batch", str(batch)),
        ("from where to where", "every tensor moved once, layer after layer"),
    )
    return Metric("latency", product("latency", "s", factors, "bound", "sum"), (), LATENCY, stated)


def no_power(device: Roofline, reason: str = "") -> Metric:
    """Power where the energy is not known: the design power is stated, and is no measurement."""
    others: tuple[Figure, ...] = ()
    if device.power_w is not None:
        others = (Figure("design power", device.power_w, "W", basis="stated"),)
    figure = unavailable("power", "W", reason or "the energy of an inference is not known")
    return Metric("power", figure, others, POWER)
