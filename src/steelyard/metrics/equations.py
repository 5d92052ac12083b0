"""The equations of the eight metrics in words, and what must be stated beside each for a fair comparison.

After Sze, Chen, Yang, Emer, "Efficient Processing of Deep Neural Networks", 2020, chapter 3, equations 3.1 to 3.5.
"""

from __future__ import annotations

from steelyard.metrics.card import Basis, Factor, Figure, MetricName, product

THROUGHPUT = "inferences/s = clock / cycles per operation x PEs x active PEs x utilisation of the active / operations per inference"
LATENCY = "seconds from the first input to the last output of a pass; inferences in flight = throughput x latency"
ENERGY = "energy = data movement of each level + operations"
POWER = "power = energy per inference x throughput; what a device may draw bounds its throughput"

REQUIRED: dict[MetricName, tuple[str, ...]] = {
    "accuracy": ("task", "data set", "image size", "protocol"),
    "throughput": ("batch", "peak and utilisation", "precision"),
    "latency": ("batch",),
    "energy": ("DRAM energy", "process node", "precision"),
    "power": ("DRAM power", "utilisation"),
    "cost": ("process node", "memory", "price"),
    "flexibility": ("networks", "dataflow"),
    "scalability": ("what grows", "machines"),
}
"""What must be stated beside each metric, or named as missing, when it has a value."""


def in_flight(per_s: float, latency_s: float, basis: Basis) -> Figure:
    """Inferences in flight by Little's law: throughput x latency."""
    factors = (Factor("throughput", per_s, "inferences/s"), Factor("latency", latency_s, "s"))
    return product("inferences in flight", "", factors, basis)
