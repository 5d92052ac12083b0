"""Sentences about a result: what the network is, what it costs, what dominates, what was assumed."""

from __future__ import annotations

from collections.abc import Mapping

from steelyard.cost import Cost, CostReport, PeakMemory, TrainingMemory
from steelyard.report.describe import KIND_PLURALS, times
from steelyard.units import format_bytes, format_si
from steelyard.workload import MAC_KINDS, Coverage, Workload

_INPLACE = {
    "as_written": "only what the network itself does in place shares memory",
    "elementwise": "element-wise, activation and normalisation layers overwrite an operand that dies",
    "never": "every layer has an output of its own",
}


def inputs_sentence(load: Workload) -> str:
    """What goes in: ``input 1×3×224×224 float32, 68 operators, captured from a module``."""
    specs = [load.tensor(name) for name in load.inputs]
    inputs = ", ".join(f"{times(t.shape)} {t.dtype}" for t in specs[:4])
    more = f" and {len(specs) - 4} more" if len(specs) > 4 else ""
    what = "no input" if not specs else f"input{'s' * (len(specs) > 1)} {inputs}{more}"
    return f"{what}; {_count(len(load.layers), 'operator')}; captured from {load.source}"


def total_sentence(total: Cost) -> str:
    """Totals in one line; FLOPs are said to be 2 x MACs."""
    return (
        f"total: {_unit(total.macs, 'MACs')} ({format_si(total.flops, 'FLOPs')}, counting 2 per MAC), "
        f"{_unit(total.ops, 'other operations')}, {_unit(total.params, 'parameters')} "
        f"({format_bytes(total.param_bytes)}), outputs {format_bytes(total.activation_bytes)}, "
        f"access {format_bytes(total.access_bytes)}, {total.intensity:.3g} MACs per byte"
    )


def peak_sentence(memory: PeakMemory) -> str:
    """Peak activation memory with its assumptions."""
    if not memory.at_layer:
        return ""
    order = ""
    if memory.best_order_bytes is not None and memory.best_order_bytes < memory.peak_bytes:
        order = f"; the best order of execution needs {format_bytes(memory.best_order_bytes)}"
    elif memory.best_order_bytes is None and memory.lower_bound_bytes < memory.peak_bytes:
        order = f"; no order needs less than {format_bytes(memory.lower_bound_bytes)}"
    kept = "kept to the end" if memory.keep_inputs else "freed after their last use"
    return (
        f"peak activation memory: {format_bytes(memory.peak_bytes)} while {memory.at_layer} runs"
        f"{order} (assuming layers run in the captured order, {_INPLACE[memory.inplace]}, "
        f"and inputs are {kept})"
    )


def training_sentence(memory: TrainingMemory) -> str:
    """Training memory, split into its parts."""
    parts = (
        (memory.parameter_bytes, "parameters"),
        (memory.gradient_bytes, "gradients"),
        (memory.optimizer_bytes, "optimiser state"),
        (memory.saved_bytes, "saved activations"),
        (memory.buffer_bytes, "buffers"),
    )
    split = " + ".join(f"{format_bytes(size)} {name}" for size, name in parts if size)
    return (
        f"training memory ({memory.optimizer}): {format_bytes(memory.total_bytes)}"
        f"{' = ' + split if split else ''}"
    )


def coverage_sentence(coverage: Coverage) -> str:
    """How many of the operators were counted, and which were not."""
    missed = sum(count for _, count in coverage.unknown)
    if not missed:
        return f"coverage: all {coverage.known} operators counted"
    names = ", ".join(f"{op} ({count}x)" for op, count in coverage.unknown)
    every = coverage.known + missed
    return (
        f"coverage: {coverage.known} of {every} operators counted ({coverage.fraction:.1%}); "
        f"not counted: {names}"
    )


def unused_sentence(load: Workload) -> str:
    """Parameters that this pass does not read; "" if there are none."""
    unused = load.unused_params
    if not unused:
        return ""
    return f"{_unit(unused, 'parameters')} of the network are not used in this pass and not counted"


def summary(report: CostReport) -> tuple[str, ...]:
    """The network in plain words: what it is, what it costs, what dominates."""
    load, total = report.workload, report.total
    kinds = report.by("kind")
    macs = {kind: cost for kind, cost in kinds.items() if kind in MAC_KINDS}
    number = sum(cost.layers for cost in macs.values())
    specs = [load.tensor(name) for name in load.inputs]
    inputs = " and ".join(f"{times(t.shape)} ({t.dtype})" for t in specs[:3])
    what = ", ".join(count_kind(kind, cost.layers) for kind, cost in macs.items())
    computing = f", of which {number} multiply and accumulate ({what})" if number else ""
    sentences = [
        f"{load.name} takes {inputs or 'no input'} and runs {_count(total.layers, 'operator')}"
        f"{computing}.",
        f"One pass costs {_unit(total.macs, 'MACs')} (multiply-accumulates; "
        f"{format_si(total.flops, 'FLOPs')} if each counts as two) and reads "
        f"{_unit(total.params, 'parameters')} ({format_bytes(total.param_bytes)}). "
        f"{_peak(report.memory)}",
    ]
    dominant = [_dominant(kinds)]
    heaviest = max(report.rows, key=lambda row: row.cost.macs, default=None)
    if heaviest is not None and heaviest.cost.macs:
        share = heaviest.cost.macs / total.macs
        dominant.append(
            f"The single heaviest layer is {heaviest.name} ({percent(share)} of the MACs)."
        )
    sentences.append(" ".join(part for part in dominant if part))
    return tuple(sentence for sentence in sentences if sentence)


def _peak(memory: PeakMemory) -> str:
    if not memory.at_layer:
        return ""
    return (
        f"Its activations need {format_bytes(memory.peak_bytes)} at the peak, while "
        f"{memory.at_layer} runs."
    )


_VERBS = {  # quantity: verb of one, verb of several, the rest of the sentence
    "macs": ("does", "do", "of the MACs"),
    "params": ("holds", "hold", "of the parameters"),
    "access_bytes": ("causes", "cause", "of the memory accesses"),
}


def _dominant(kinds: Mapping[str, Cost]) -> str:
    """Which kind of layer has most of each quantity; one sentence a kind."""
    said: dict[str, list[str]] = {}
    for key, (one, several, of) in _VERBS.items():
        values = {kind: int(getattr(cost, key)) for kind, cost in kinds.items()}
        total = sum(values.values())
        if total:
            kind = max(values, key=lambda k: values[k])
            verb = one if kinds[kind].layers == 1 else several
            said.setdefault(kind, []).append(f"{verb} {percent(values[kind] / total)} {of}")
    return " ".join(
        f"The {count_kind(kind, kinds[kind].layers)} {_and(parts)}." for kind, parts in said.items()
    )


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def percent(share: float) -> str:
    """Whole percent; more digits where it would look like all or nothing and is not.

    >>> percent(0.923), percent(0.9995), percent(1.0), percent(0.0004), percent(0.0)
    ('92%', '99.9%', '100%', '<0.1%', '0%')
    """
    if share in (0, 1) or 0.005 <= share < 0.995:
        return f"{share:.0%}"
    if share < 0.005:
        return "<0.1%" if share < 0.001 else f"{share:.1%}"
    return f"{min(share, 0.999):.1%}"


def singular(kind: str) -> str:
    """``convolution`` for ``conv``."""
    plural = KIND_PLURALS.get(kind, kind)
    special = {"copies": "copy", "table look-ups": "table look-up"}
    return special.get(plural, plural.removesuffix("s"))


def count_kind(kind: str, number: int) -> str:
    """``1 convolution``, ``53 convolutions``."""
    return f"1 {singular(kind)}" if number == 1 else f"{number} {KIND_PLURALS.get(kind, kind)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _unit(value: int, noun: str) -> str:
    """``724 M MACs``."""
    return f"{format_si(value)} {noun}"
