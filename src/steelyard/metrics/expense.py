"""Cost: chip area, memory, rent and the money for a training, each stated with its source or named as missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from steelyard.cost.memory import peak_activation_memory
from steelyard.errors import InputError
from steelyard.hardware.device import Accelerator, Memory, Roofline
from steelyard.metrics.card import Factor, Figure, Metric, product, unavailable
from steelyard.metrics.pricelist import Price, find_price
from steelyard.metrics.trainings import run_hours, training_cost
from steelyard.workload import Workload
from steelyard.workload.tensor import dtype_bits

if TYPE_CHECKING:
    from steelyard.train.run import Run

EQUATION = "area and memory of the device, rent per inference = price / throughput, training = devices x hours x price"

MILLION = 1e6


def cost(
    load: Workload,
    device: Accelerator | Roofline,
    per_s: Figure,
    *,
    price: Price | float | None = None,
    run: Run | None = None,
    training_price: Price | float | None = None,
) -> Metric:
    """The cost metric.

    Args:
        load: the network.
        device: what it runs on.
        per_s: its throughput, which may be unknown.
        price: USD an hour of the device; None: the newest that is known of a device of this name.
        run: of a training.
        training_price: USD an hour of each of the training's devices; None: not known.
    """
    rate = price if price is not None else find_price(device.name)
    others = [
        _per_area(device, per_s),
        _memory(device),
        _needed(load, device),
        unavailable("purchase price", "USD", "no dated price to buy one is known"),
        _rent(rate, per_s, device),
        _training(run, training_price),
    ]
    stated = [("memory", "of the device, and what the network needs of it")]
    missing = []
    if device.node_nm is not None:
        stated.insert(0, ("process node", f"{device.node_nm:g} nm"))
    else:
        missing.append(("process node", f"none is stated of {device.name}"))
    if rate is not None:
        stated.append(
            ("price", str(rate) if isinstance(rate, Price) else f"{rate:g} USD an hour, as given")
        )
        if isinstance(rate, Price):
            stated.append(("source of the price", f"{rate.source} ({rate.evidence})"))
    else:
        missing.append(("price", f"no dated price of {device.name} is known: --price USD_PER_HOUR"))
    return Metric("cost", _area(device), tuple(others), EQUATION, tuple(stated), tuple(missing))


def _area(device: Accelerator | Roofline) -> Figure:
    if device.area_mm2 is None:
        return unavailable("chip area", "mm2", f"none is stated of {device.name}")
    return Figure("chip area", device.area_mm2, "mm2", basis="stated")


def _per_area(device: Accelerator | Roofline, per_s: Figure) -> Figure:
    name, unit = "throughput per area", "inferences/s/mm2"
    if device.area_mm2 is None or per_s.value is None:
        return unavailable(name, unit, "area or throughput is not known")
    area = Factor("chip area", device.area_mm2, "mm2", divides=True)
    return product(
        name, unit, (Factor("throughput", per_s.value, "inferences/s"), area), per_s.basis
    )


def _memory(device: Accelerator | Roofline) -> Figure:
    """What is on an accelerator's chip; of a CPU or GPU its main memory."""
    if isinstance(device, Roofline):
        if device.memory_bytes is None:
            return unavailable("memory", "B", f"none is stated of {device.name}")
        return Figure("memory", float(device.memory_bytes), "B", basis="stated")
    bounded = [memory for memory in device.memories if memory.capacity_bytes is not None]
    factors = tuple(
        Factor(
            f"{memory.name}, {device.instances(memory.name)} of them",
            device.instances(memory.name) * _capacity(memory),
            "B",
        )
        for memory in bounded
    )
    return product("on-chip memory", "B", factors, "stated", "sum")


def _capacity(memory: Memory) -> float:
    size = memory.capacity_bytes
    return float(sum(size.values()) if isinstance(size, Mapping) else size or 0.0)


def _needed(load: Workload, device: Accelerator | Roofline) -> Figure:
    """Weights and the peak of the activations, in the device's widths."""
    peak = peak_activation_memory(load).peak_bytes
    stored = dtype_bits(load.tensor(load.inputs[0]).dtype) if load.inputs else 32
    weights = sum(tensor.nbytes for tensor in load.tensors if tensor.role == "parameter")
    scales = (1.0, 1.0)
    if isinstance(device, Accelerator):
        scales = device.bits["W"] / stored, device.bits["I"] / stored
    factors = (
        Factor("weights", weights * scales[0], "B"),
        Factor("peak activations", peak * scales[1], "B"),
    )
    return product("memory needed", "B", factors, "modelled", "sum")


def _rent(rate: Price | float | None, per_s: Figure, device: Accelerator | Roofline) -> Figure:
    name = "rent per million inferences"
    if rate is None or not per_s.value:
        return unavailable(
            name, "USD", "no price is known" if rate is None else "the throughput is not known"
        )
    per_hour = rate.usd_per_hour if isinstance(rate, Price) else rate
    factors = (
        Factor("price", per_hour, "USD/h"),
        Factor("seconds in an hour", 3600.0, "s/h", divides=True),
        Factor("throughput", per_s.value, "inferences/s", divides=True),
        Factor("inferences", MILLION),
    )
    return product(name, "USD", factors, per_s.basis)


def _training(run: Run | None, rate: Price | float | None) -> Figure:
    name, unit = "training cost", "USD"
    if run is None:
        return unavailable(name, unit, "no training is known: --run RUN")
    try:
        hours, processes, _ = run_hours(run)
    except InputError as error:
        return unavailable(name, unit, error.given)
    if rate is None:
        effort = f"{processes} x {hours:.3g} h of the training's device"
        return unavailable(
            name, unit, f"{effort}, and its price is not known: --training-price USD"
        )
    return training_cost(processes, hours, rate)
