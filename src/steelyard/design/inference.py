"""`optimize_for_inference`: the same outputs from fewer layers, for a network that will not be trained any more.

Batch normalisation goes into the convolution or linear layer beside it, learnt groups and displacements
become fixed ones, and what acts in training only is taken out.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from steelyard.design.probe import Probe, Shape, probe
from steelyard.errors import ModelError, UsageError
from steelyard.layers.batch_norm_folding import fold_batch_norm, fold_batch_norm_before
from steelyard.layers.drop_path import DropPath
from steelyard.workload import Layer, Workload

TOLERANCE = 1e-4
"""Largest difference of outputs, relative to the largest output, that rounding is held to cause."""

_PLAIN_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_TRAINING_ONLY = (_DropoutNd, DropPath)


def optimize_for_inference(
    model: nn.Module,
    *,
    input_shape: Shape | Sequence[Shape] | None = None,
    inputs: Tensor | Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    check: bool = True,
) -> nn.Module:
    """A copy of a network in eval mode that computes the same with fewer layers; the model is not changed.

    What is done, wherever a capture of the network shows that it is exact:

    - a batch normalisation that alone reads a convolution or linear layer is folded into it; one that
      alone feeds an unpadded convolution or a linear layer, into that (Ioffe and Szegedy 2015,
      arXiv:1502.03167, algorithm 2);
    - learnt groups become index and grouped convolution, learnt displacements fixed ones, parallel paths
      a grouped convolution; a layer of your own may have a method ``for_inference()``;
    - dropout and stochastic depth are removed.

    A layer that is called twice, shares its weights or computes them from others is left as it is.

    Args:
        model: any module that `capture` follows; zoo networks know their input, others need
            ``input_shape`` (N, C, H, W) or ``inputs``.
        input_shape, inputs, kwargs: as in `capture`.
        check: run both on the inputs (noise, if only shapes are given) and compare.

    Raises:
        UsageError: the input is not known, or arguments do not fit together.
        InputError: the network cannot be captured.
        ModelError: ``check`` found outputs that differ by more than rounding: a defect, please report it;
            or the network itself gives NaN or infinity on the inputs, so that there is nothing to compare.
    """
    given = probe(model, input_shape, inputs, kwargs)
    better = _inference_forms(copy.deepcopy(model).eval())
    graph = _Graph(better, given.capture(better))
    for norm in graph.load.layers:
        if norm.kind == "norm":
            _fold(graph, norm)
    if check and not any(t.is_meta for t in model.state_dict().values()):
        _compare(model, better, given)
    return better


def _inference_forms(model: nn.Module) -> nn.Module:
    """Replaces modules that have another form for inference, outermost first."""
    convert: Callable[[], nn.Module] | None = getattr(model, "for_inference", None)
    if convert is not None:
        # on the meta device no layer knows its groups
        with suppress(UsageError):
            return convert().eval()
    if isinstance(model, _TRAINING_ONLY):
        return nn.Identity()
    for name, child in list(model.named_children()):
        form = _inference_forms(child)
        if form is not child:
            setattr(model, name, form)
    return model


# ---- folding -------------------------------------------------------------------------------------


class _Graph:
    """A network beside its workload: which module a layer is, and who reads what it writes."""

    def __init__(self, model: nn.Module, load: Workload) -> None:
        self.model = model
        self.load = load
        self.writers = {name: layer for layer in load.layers for name in layer.outputs}
        self.readers = Counter(name for layer in load.layers for name in layer.inputs)
        self.readers.update(load.outputs)
        self.calls = Counter((layer.module, layer.kind) for layer in load.layers)
        self.uses = Counter(name for layer in load.layers for name in layer.params)

    def module(self, layer: Layer) -> nn.Module | None:
        """The module that is this layer and nothing else, with weights that no other layer reads."""
        modules = dict(self.model.named_modules(remove_duplicate=False))
        module = modules.get(layer.module)
        if module is None or module is self.model or _is_hooked(module):
            return None
        once = sum(other is module for other in modules.values()) == 1
        shared = any(self.uses[name] > 1 for name in layer.params)
        called = self.calls[layer.module, layer.kind]
        return module if once and called == 1 and not shared else None

    def before(self, layer: Layer) -> Layer | None:
        """The layer whose output this one alone reads."""
        return self.writers.get(layer.inputs[0]) if self.readers[layer.inputs[0]] == 1 else None

    def behind(self, layer: Layer) -> Layer | None:
        """The layer that alone reads this one's output."""
        name = layer.outputs[0]
        readers = (other for other in self.load.layers if name in other.inputs)
        return next(readers, None) if self.readers[name] == 1 else None

    def replace(self, layer: Layer, module: nn.Module) -> None:
        """Puts another module in a layer's place."""
        parent, _, name = layer.module.rpartition(".")
        setattr(self.model.get_submodule(parent), name, module)


def _fold(graph: _Graph, norm: Layer) -> None:
    """Folds one normalisation into the layer before it or behind it, if that is exact."""
    bn = graph.module(norm)
    if not isinstance(bn, _BatchNorm) or (rest := _without_norm(bn)) is None:
        return
    before, behind = graph.before(norm), graph.behind(norm)
    folded = _absorb(graph, before, lambda layer: fold_batch_norm(layer, bn))
    if not folded and isinstance(rest, nn.Identity):
        folded = _absorb(graph, behind, lambda layer: fold_batch_norm_before(bn, layer))
    if folded:
        graph.replace(norm, rest)


def _absorb(graph: _Graph, layer: Layer | None, fold: Callable[[nn.Module], nn.Module]) -> bool:
    """Replaces the module of ``layer`` by its folded form; False where that is not exact."""
    module = graph.module(layer) if layer else None
    if layer is None or module is None:
        return False
    try:
        graph.replace(layer, fold(module))
    except UsageError:
        return False
    return True


def _without_norm(bn: _BatchNorm) -> nn.Module | None:
    """What remains of a normalisation once it is folded; None if that is not known.

    timm's ``BatchNormAct2d`` holds what acts behind it as ``drop`` and ``act``.
    """
    if type(bn) in _PLAIN_NORMS:
        return nn.Identity()
    drop, act = getattr(bn, "drop", None), getattr(bn, "act", None)
    named = type(bn).__name__ == "BatchNormAct2d"
    if named and isinstance(drop, nn.Module) and isinstance(act, nn.Module):
        return nn.Sequential(drop, act)
    return None


def _is_hooked(module: nn.Module) -> bool:
    """Whether code of the user's runs around the module."""
    return any(
        getattr(module, name)
        for name in (
            "_forward_hooks",
            "_forward_pre_hooks",
            "_backward_hooks",
            "_backward_pre_hooks",
        )
    )


# ---- checking ------------------------------------------------------------------------------------


def _compare(model: nn.Module, better: nn.Module, given: Probe) -> None:
    """Runs both in eval mode.

    Raises:
        ModelError: outputs differ by more than rounding, or the model's own are not finite.
    """
    arguments = given.arguments(model)
    with torch.no_grad():
        reference = copy.deepcopy(model).eval()
        pairs = zip(
            _tensors(reference(*copy.deepcopy(arguments), **given.kwargs)),
            _tensors(better(*copy.deepcopy(arguments), **given.kwargs)),
            strict=True,
        )
        for expected, found in pairs:
            if not expected.is_floating_point():
                continue
            if not expected.isfinite().all():
                raise ModelError(
                    f"{type(model).__name__} itself gives NaN or infinity on these inputs, before any change",
                    expected="finite outputs, to compare with",
                    hint="inputs=... with real data, or check=False",
                )
            scale = max(float(expected.abs().amax()), 1e-30) if expected.numel() else 1.0
            error = float((expected - found).abs().amax()) / scale if expected.numel() else 0.0
            if not error <= TOLERANCE * (1 if expected.dtype.itemsize >= 4 else 1000):
                raise ModelError(
                    f"the optimised {type(model).__name__} gives outputs that differ by {error:.1e}",
                    expected=f"at most {TOLERANCE:.0e} of the largest output",
                    hint="check=False to look at it, and please report the network",
                )


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in what a network returned."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
