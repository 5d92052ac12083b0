"""Throughput, latency, energy and power of this machine: measured, or predicted by its calibration."""

from __future__ import annotations

from steelyard.hardware.device import Roofline
from steelyard.measure.measurement import Measurement
from steelyard.measure.predictor.prediction import LatencyPrediction
from steelyard.metrics.bounded import no_power
from steelyard.metrics.card import Basis, Factor, Metric, product, unavailable
from steelyard.metrics.equations import ENERGY, POWER, in_flight

THROUGHPUT = "inferences/s = peak x share of the peak / operations per inference"
LATENCY = "seconds of one pass = operations of the pass / operations a second"


def measured(found: Measurement, macs: int, device: Roofline) -> tuple[Metric, ...]:
    """The four metrics of a measurement.

    Args:
        found: the measurement.
        macs: operations of one pass.
        device: this machine's ceilings.
    """
    where = (
        ("batch", str(found.batch)),
        ("runtime", f"{found.ran}, {found.precision}, {found.threads} threads"),
    )
    low, high = found.interval_s or (found.median_s, found.median_s)
    spread = (
        "spread",
        f"median of {len(found.samples_s)} runs, 95 % interval {1e3 * low:.4g} to {1e3 * high:.4g} ms",
    )
    speed = _speed(
        found.median_s, found.batch, macs, device, found.precision, "measured", (*where, spread)
    )
    return (*speed, *_energy(found, device))


def predicted(found: LatencyPrediction, macs: int, device: Roofline) -> tuple[Metric, ...]:
    """The four metrics of a prediction, of which energy and power are not known; arguments as for `measured`."""
    low, high = found.interval_s
    where = (
        ("batch", str(found.batch)),
        (
            "runtime",
            f"{found.backend}, float32, {found.threads} threads; calibrated {found.calibrated_at}",
        ),
        ("spread", f"{1e3 * low:.4g} to {1e3 * high:.4g} ms in 80 % of cases"),
    )
    speed = _speed(found.seconds, found.batch, macs, device, "float32", "predicted", where)
    reason = "a prediction tells time only; --measured reads the machine's counter"
    energy = Metric("energy", unavailable("energy per inference", "J", reason), equation=ENERGY)
    return (*speed, energy, no_power(device))


def _speed(
    seconds: float,
    batch: int,
    macs: int,
    device: Roofline,
    precision: str,
    basis: Basis,
    stated: tuple[tuple[str, str], ...],
) -> tuple[Metric, Metric]:
    """Throughput and latency; the ceiling of arithmetic is the one of the precision, or of float32."""
    kind = precision if precision in device.peak_macs_per_s else "float32"
    done = macs / seconds
    peak = Factor("peak", device.peak_macs_per_s[kind], "MAC/s")
    share = Factor("share of the peak", done / peak.value, "share")
    operations = Factor("operations per inference", macs / batch, "MAC", divides=True)
    figure = product("throughput", "inferences/s", (peak, share, operations), basis)
    others = (
        product("operations", "MAC/s", (peak, share), basis),
        in_flight(figure.value or 0.0, seconds, basis),
        unavailable(
            "cycles per operation, PEs, active PEs", "", "a processor's counters are not read"
        ),
    )
    peaks = (
        "peak and utilisation",
        f"the peak is the fastest {kind} matrix product of this machine, all its cores",
    )
    first = Metric(
        "throughput", figure, others, THROUGHPUT, (*stated, peaks, ("precision", precision))
    )
    factors = (
        Factor("operations of the pass", macs, "MAC"),
        Factor("operations a second", done, "MAC/s", divides=True),
    )
    return first, Metric("latency", product("latency", "s", factors, basis), (), LATENCY, stated)


def _energy(found: Measurement, device: Roofline) -> tuple[Metric, Metric]:
    """By the machine's counter, which holds everything that the package did meanwhile."""
    if found.energy.joules is None:
        reason = found.energy.unavailable
        figure = unavailable("energy per inference", "J", reason)
        return Metric("energy", figure, equation=ENERGY), no_power(device, reason)
    joules = found.energy.joules
    factors = (
        Factor("energy of a pass", joules, "J"),
        Factor("batch", found.batch, "inferences", divides=True),
    )
    stated = (
        ("counter", f"{found.energy.source}, whatever else it did meanwhile"),
        ("precision", found.precision),
    )
    missing = (
        ("DRAM energy", "the counter does not tell it apart"),
        ("process node", "this machine's is not known"),
    )
    energy = Metric(
        "energy",
        product("energy per inference", "J", factors, "measured"),
        (),
        ENERGY,
        stated,
        missing,
    )
    drawn = (
        Factor("energy per inference", joules / found.batch, "J"),
        Factor("throughput", found.throughput, "inferences/s"),
    )
    power = Metric(
        "power", product("power", "W", drawn, "measured"), (), POWER,
        (("utilisation", "as under throughput"),), (("DRAM power", "the counter does not tell it apart"),),
    )  # fmt: skip
    return energy, power


def flexibility(found: Measurement) -> Metric:
    """What a measurement says of it: this network runs, and its outputs are right."""
    factors = (Factor("networks that run", 1.0), Factor("networks tried", 1.0, divides=True))
    stated = (
        ("networks", "this one"),
        (
            "dataflow",
            f"none: {found.ran} programs it; outputs within {found.deviation:.1e} of float32's, {found.tolerance:.1e} allowed",
        ),
    )
    missing = (("other networks", "only this one was run: steelyard measure NETWORK..."),)
    figure = product("networks that run", "share", factors, "measured")
    return Metric("flexibility", figure, (), "networks that run / networks tried", stated, missing)
