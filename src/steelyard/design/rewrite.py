"""`rewrite`: a network with some of its layers exchanged by a rule, and what that gains."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from steelyard._display import Printable
from steelyard.capture.source import load_module, parse_source
from steelyard.capture.weightless import weightless
from steelyard.cost.compare import Comparison, compare
from steelyard.design.probe import Probe, Shape, probe
from steelyard.design.rules import Replacement, Rule, parse_rule
from steelyard.design.rules.base import Weights
from steelyard.errors import ModelError, SteelyardError, UsageError
from steelyard.workload import Workload

SCHEMA = "steelyard.rewrite/1"


@dataclass(frozen=True, slots=True)
class Change:
    """One module that was exchanged.

    Attributes:
        module: its path.
        old, new: what it was and is, in words.
        macs: multiply-accumulates below this path, before and after, for the probe's batch.
        params: weights of the module, before and after.
        weights: where the new ones come from: ``kept``, ``fitted`` or ``new``.
        error: of fitted weights, the relative error of the filter; 0 is exact.
    """

    module: str
    old: str
    new: str
    macs: tuple[int, int]
    params: tuple[int, int]
    weights: Weights
    error: float | None


@dataclass(frozen=True, repr=False)
class Rewrite(Printable):
    """A rewritten network beside the old one.

    Attributes:
        model: the new network, to be trained or fine-tuned; the old one is untouched.
        rule: the rule with its options, in words.
        changes: what was exchanged, in order of execution.
        skipped: modules of the rule's kind that could not be, with the reason.
        comparison: cost of the new network against the old one's.
    """

    model: nn.Module
    rule: str
    changes: tuple[Change, ...]
    skipped: Mapping[str, str]
    comparison: Comparison

    def to_dict(self) -> dict[str, object]:
        """Plain data under the schema ``steelyard.rewrite/1``: rule, changes, skipped, comparison."""
        return {
            "schema": SCHEMA,
            "rule": self.rule,
            "changes": [
                {
                    "module": c.module,
                    "old": c.old,
                    "new": c.new,
                    "macs": {"before": c.macs[0], "after": c.macs[1]},
                    "params": {"before": c.params[0], "after": c.params[1]},
                    "weights": c.weights,
                    "error": c.error,
                }
                for c in self.changes
            ],
            "skipped": dict(self.skipped),
            "comparison": self.comparison.to_dict(),
        }

    def __repr__(self) -> str:
        return f"<Rewrite by {self.rule}: {len(self.changes)} layers>"


def rewrite(
    model: nn.Module | str,
    rule: Rule | str,
    *,
    only: str | Sequence[str] = "*",
    keep_weights: bool = True,
    input_shape: Shape | Sequence[Shape] | None = None,
    inputs: Tensor | Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Rewrite:
    """Exchanges layers of any network by a rule.

    Example: ``rewrite(net, "depthwise_separable", only="layer3.*").model``.

    Args:
        model: any module that `capture` follows. Layers that are modules can be exchanged; calls of
            functions cannot. Or a SOURCE: a zoo name, whose weights are not allocated, or
            ``package.module:callable``.
        rule: name and options, e.g. ``stack3x3``, ``asymmetric:rank=32``, ``depthwise_separable``,
            ``grouped:groups=4``, ``shift``, ``bottleneck:reduction=4``, ``h_swish``,
            ``squeeze_excite``; or a `steelyard.design.rules.Rule`, which may be your own.
        only: shell patterns of module paths.
        keep_weights: derive weights from the old ones where the rule allows.
        input_shape, inputs, kwargs: what to capture it with, as in `capture`; networks of the zoo know
            their own.

    Raises:
        UsageError: no layer that the rule changes matches, or arguments do not fit together.
        UnknownNameError: no rule of that name.
        InputError: the network cannot be captured.
        ModelError: a layer's replacement gives another shape.
    """
    if isinstance(model, str):
        model = _load(model)
    given = probe(model, input_shape, inputs, kwargs)
    chosen = parse_rule(rule) if isinstance(rule, str) else rule
    patterns = [only] if isinstance(only, str) else list(only)
    return _rewritten(model, given, given.capture(model), chosen, patterns, keep_weights)


def try_rules(
    model: nn.Module | str,
    rules: Sequence[str],
    *,
    input_shape: Shape | Sequence[Shape] | None = None,
) -> dict[str, Rewrite]:
    """The network by each of several rules, everywhere it applies, without weights of any use.

    Args:
        model: as in `rewrite`.
        rules: names with their options; one that finds nothing to change, or after which the network does not run,
            is left out.
        input_shape: what to capture it with; networks of the zoo know their own.

    Raises:
        UnknownNameError: no rule of that name.
        InputError: the network cannot be captured.
    """
    if isinstance(model, str):
        model = _load(model)
    given = probe(model, input_shape, None, None)
    before = given.capture(model)
    found = {}
    for name in rules:
        rule = parse_rule(name)
        with suppress(UsageError, ModelError):
            found[name] = _rewritten(model, given, before, rule, ["*"], keep_weights=False)
    return found


def _rewritten(
    model: nn.Module,
    given: Probe,
    before: Workload,
    chosen: Rule,
    patterns: list[str],
    keep_weights: bool,
) -> Rewrite:
    new = copy.deepcopy(model)
    sites, skipped = _sites(new, before, chosen, patterns)
    if not sites:
        raise _nothing(chosen, patterns, skipped)
    made = _exchange(new, sites, chosen, keep_weights=keep_weights)
    try:
        after = given.capture(new)
    except SteelyardError as error:
        raise ModelError(
            f"{type(model).__name__} does not run any more after {chosen!r}: {error}",
            hint="only=... to leave out the layers that cannot be exchanged",
        ) from error
    _check_shapes(before, after, chosen)
    changes = tuple(
        Change(
            module=path,
            old=_brief(text),
            new=_brief(str(replacement.module)),
            macs=(_macs(before, path), _macs(after, path)),
            params=(params, _params(replacement.module)),
            weights=replacement.weights,
            error=replacement.error,
        )
        for path, (text, params, replacement) in made.items()
    )
    return Rewrite(new, repr(chosen), changes, skipped, compare(before, after))


def _load(text: str) -> nn.Module:
    source = parse_source(text)
    with weightless() if source.kind == "zoo" else nullcontext():
        return load_module(source)


def _sites(
    model: nn.Module, load: Workload, rule: Rule, patterns: list[str]
) -> tuple[list[str], dict[str, str]]:
    """Paths to be exchanged, each module once, and those that cannot be, with the reason."""
    modules = dict(model.named_modules(remove_duplicate=False))
    sites: list[str] = []
    skipped: dict[str, str] = {}
    seen: set[int] = set()
    for path in rule.places(model, load):
        if path not in modules or not any(fnmatchcase(path, p) for p in patterns):
            continue
        module = modules[path]
        if id(module) in seen:
            continue
        seen.add(id(module))
        refusal = rule.refusal(module)
        if refusal == "" and path == "":
            refusal = "it is the whole network"
        if refusal == "":
            sites.append(path)
        elif refusal:
            skipped[path] = refusal
    return sites, skipped


def _exchange(
    model: nn.Module, sites: list[str], rule: Rule, *, keep_weights: bool
) -> dict[str, tuple[str, int, Replacement]]:
    """Puts the replacements in; by path what was there, its parameters, and what is there now."""
    made: dict[str, tuple[str, int, Replacement]] = {}
    for path in sites:
        old = model.get_submodule(path)
        replacement = rule.replacement(old, keep_weights=keep_weights)
        made[path] = (str(old), _params(old), replacement)
        _put(model, path, replacement.module)
    return made


def _nothing(rule: Rule, patterns: list[str], skipped: Mapping[str, str]) -> UsageError:
    first = next(iter(skipped.items()), None)
    reason = f"; {first[0]} cannot be changed: {first[1]}" if first else ""
    return UsageError(
        f"{rule!r} finds nothing to change in {', '.join(patterns)}{reason}",
        expected="a pattern of module paths with layers of its kind that are modules",
        hint=rule.otherwise,
    )


def _put(model: nn.Module, path: str, module: nn.Module) -> None:
    """Puts ``module`` at ``path`` and wherever else the old one stands."""
    old = model.get_submodule(path)
    for parent in list(model.modules()):
        if parent is module or any(parent is inner for inner in module.modules()):
            continue
        for name, child in list(parent._modules.items()):
            if child is old:
                setattr(parent, name, module)


def _check_shapes(before: Workload, after: Workload, rule: Rule) -> None:
    shapes = [[load.tensor(name).shape for name in load.outputs] for load in (before, after)]
    if shapes[0] != shapes[1]:
        raise ModelError(
            f"{rule!r} changes the network's outputs from {shapes[0]} to {shapes[1]}",
            expected="replacements that keep shapes",
        )


def _macs(load: Workload, path: str) -> int:
    return sum(
        layer.macs
        for layer in load.layers
        if layer.module == path or layer.module.startswith(f"{path}.")
    )


def _params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _brief(text: str) -> str:
    """A module's text on one line."""
    return " ".join(text.split())
