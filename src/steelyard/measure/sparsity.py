"""`measure_sparsity`: how many zeros a network's layers read, hold and write on real images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from steelyard._display import Printable
from steelyard.capture.api import capture
from steelyard.errors import UnknownNameError, UsageError
from steelyard.hardware.sparsity import Densities
from steelyard.measure.zero_counting import Watch, by_layer
from steelyard.workload import Workload
from steelyard.zoo.predict.loading import load_for
from steelyard.zoo.registry import create

Photo = str | os.PathLike[str]

RANDOM = "the weights are random: zeros of a network that was never trained say little about a trained one"
UNTRAINED = (
    "the normalisations have never seen data, so the weights are probably random: their zeros say little about a "
    "trained network"
)


@dataclass(frozen=True, slots=True)
class LayerSparsity:
    """Zeros of one layer that multiplies and accumulates; fractions from 0 to 1, mean over the images.

    Attributes:
        name: the layer's name in the workload.
        input_zeros: of the elements that it read.
        weight_zeros: of its weights.
        output_zeros: of what is stored of its outputs: after the normalisation and activation that alone
            read them.
        input_pairs: run-length pairs (5-bit runs) for each element that it read.
        input_spread, output_spread: standard deviation from image to image.
    """

    name: str
    input_zeros: float
    weight_zeros: float
    output_zeros: float
    input_pairs: float
    input_spread: float = 0.0
    output_spread: float = 0.0

    @property
    def densities(self) -> Densities:
        """Shares that are not zero, as an estimate takes them."""
        return Densities(1 - self.input_zeros, 1 - self.weight_zeros, 1 - self.output_zeros)


@dataclass(frozen=True, slots=True)
class MeasuredSparsity(Printable):
    """Zeros of a network's layers.

    Attributes:
        network: its name.
        images: how many it was measured on.
        layers: in the order of execution.
        missing: layers of the workload that could not be told apart in the run.
        weights: where they come from, "" where that is not known.
        notes: what a reader must know, e.g. that the weights are random.
    """

    network: str
    images: int
    layers: tuple[LayerSparsity, ...]
    missing: tuple[str, ...] = ()
    weights: str = ""
    notes: tuple[str, ...] = ()

    def layer(self, name: str) -> LayerSparsity:
        """The layer of that name.

        Raises:
            UnknownNameError: it was not measured.
        """
        for found in self.layers:
            if found.name == name:
                return found
        raise UnknownNameError("layer", name, [layer.name for layer in self.layers])

    @property
    def densities(self) -> dict[str, Densities]:
        """By layer, as an estimate takes them."""
        return {layer.name: layer.densities for layer in self.layers}

    def to_dict(self) -> dict[str, object]:
        """Plain data, schema ``steelyard.sparsity/1``."""
        return {"schema": "steelyard.sparsity/1", **asdict(self)}


def measure_sparsity(
    model: nn.Module | str,
    images: Tensor | Photo | Iterable[Tensor] | Iterable[Photo],
    *,
    weights: Photo | None = None,
    settings: Mapping[str, object] | None = None,
    workload: Workload | None = None,
    quiet: bool = False,
) -> MeasuredSparsity:
    """Runs a network on images in eval mode and counts zeros; the network is left as it was.

    Example: ``measure_sparsity("mobilenet_v2", ["cat.jpg", "dog.jpg"])``.

    Args:
        model: a network of the zoo with photographs as ``images``, or a module with its weights and tensors.
        images: a batch (N, C, H, W) or several; or files, prepared as the source of the weights says.
        weights: for a network of the zoo, as `steelyard.predict` takes them; ``random`` for none.
        settings: of a network of the zoo.
        workload: a module's capture, if there is one; layers have the names there.
        quiet: no progress of a download.

    Raises:
        UsageError: no image, files for a module, or tensors for a name.
        UnknownNameError, FileFormatError, MissingExtraError, BackendError: as `steelyard.predict`.
    """
    given = [images] if isinstance(images, (Tensor, str, os.PathLike)) else list(images)
    batches = [image for image in given if isinstance(image, Tensor)]
    files = [image for image in given if not isinstance(image, Tensor)]
    if not given or not all(batch.numel() for batch in batches):
        raise UsageError("no image to measure on", expected="a batch (N, C, H, W), or photographs")
    if isinstance(model, nn.Module):
        if files:
            raise UsageError(
                "files for a module", expected="tensors, or the name of a network of the zoo"
            )
        load = workload or capture(model, input_shape=tuple(batches[0].shape))
        notes = (UNTRAINED,) if _untrained(model) else ()
        return _measured(model, batches, load, "", notes)
    if batches:
        raise UsageError(f"tensors for {model!r}", expected="photographs, or a module and tensors")
    untrained = weights == "random"
    loaded = load_for(
        model, files, weights, settings or {}, quiet=quiet, untrained=untrained
    )  # fmt: skip
    shape = (1, *loaded.inputs[0].shape)
    load = workload or capture(loaded.network, input_shape=shape, name=model)
    notes = (*((RANDOM,) if untrained else ()), *dict.fromkeys(filter(None, loaded.remarks)))
    inputs = [image.unsqueeze(0) for image in loaded.inputs]
    found = _measured(loaded.network, inputs, load, loaded.weights, notes)
    if workload is not None:
        return found
    asked: dict[str, Any] = dict(settings or {})
    plain = capture(create(model, **asked), input_shape=shape)
    return _renamed(found, [layer.name for layer in plain.layers if layer.nests])


def _measured(
    model: nn.Module, batches: list[Tensor], load: Workload, weights: str, notes: tuple[str, ...]
) -> MeasuredSparsity:
    watch = Watch(model)
    was = {module: module.training for module in model.modules()}
    single = [image for batch in batches for image in torch.split(batch, 1)]
    try:
        model.eval()
        for image in single:
            watch.begin()
            with torch.inference_mode(), watch.following(), watch:
                model(image)
    finally:
        for module, training in was.items():
            module.training = training
    layers: list[LayerSparsity] = []
    missing: list[str] = []
    for name, own, stored in by_layer(load, watch):
        if own is None or stored is None:
            missing.append(name)
            continue
        pairs = own.pairs / own.elements if own.elements else 0.0
        zeros = own.mean("I"), own.mean("W"), stored.mean("O")
        layers.append(LayerSparsity(name, *zeros, pairs, own.spread("I"), stored.spread("O")))
    return MeasuredSparsity(
        load.name, len(single), tuple(layers), tuple(missing), weights, notes
    )  # fmt: skip


def _renamed(found: MeasuredSparsity, names: list[str]) -> MeasuredSparsity:
    """Layers under the names that they have in the network without the settings that its weights ask for.

    Such settings (padding of its own, say) may add layers that do not multiply, which numbers the others anew.
    """
    modules = [layer.name.partition("#")[0] for layer in found.layers]
    if found.missing or modules != [name.partition("#")[0] for name in names]:
        return found
    layers = tuple(
        replace(layer, name=name) for layer, name in zip(found.layers, names, strict=True)
    )
    return replace(found, layers=layers)


def _untrained(model: nn.Module) -> bool:
    """True if there are normalisations with statistics, and all of them are as they are made."""
    norms = [
        module
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None
    ]
    statistics = [norm.running_mean for norm in norms]
    return bool(norms) and not any(
        int(torch.count_nonzero(mean)) for mean in statistics if mean is not None
    )


# below the classes that it prints, so that whoever has a result can print it
from steelyard.measure import sparsity_layout as _layout  # noqa: E402, F401
