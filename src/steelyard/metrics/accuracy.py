"""Accuracy: published beside the zoo's networks, or that of a training run; always with data set, task and image size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from steelyard.errors import UsageError
from steelyard.hardware.device import Accelerator, Roofline
from steelyard.metrics.card import Factor, Figure, Metric, product, unavailable
from steelyard.metrics.subject import Subject
from steelyard.zoo.config import make
from steelyard.zoo.published import Published
from steelyard.zoo.registry import default_input_shape, default_registry, info

if TYPE_CHECKING:
    from steelyard.train.run import Run

EQUATION = (
    "correct images / all images of the test set; an error of e % is an accuracy of 100 - e %"
)
PARAMS_APART = 0.05
"""How far a workload's parameters may be from published ones to be taken for that network's."""

_TASK = "classification, top-1"


def accuracy(
    net: Subject, device: Accelerator | Roofline | None = None, run: Run | None = None
) -> Metric:
    """The accuracy metric.

    Args:
        net: the network.
        device: where it runs, whose widths are stated beside an accuracy that was found in floating point.
        run: a training run of it, whose best epoch counts; None: what is published.

    Raises:
        UsageError: a run of another network, or one that has tested nothing yet.
    """
    return _of_run(net, run, device) if run is not None else _published(net, device)


def _published(net: Subject, device: Accelerator | Roofline | None) -> Metric:
    row, reason = published_row(net)
    if row is None or row.top1_error is None:
        return Metric("accuracy", unavailable("top-1 accuracy", "%", reason), equation=EQUATION)
    others: tuple[Figure, ...] = ()
    if row.top5_error is not None:
        others = (_from_error("top-5 accuracy", row.top5_error),)
    stated = [
        ("task", _TASK),
        ("data set", row.dataset),
        ("image size", _size(net)),
        ("protocol", row.protocol),
        ("source", f"{row.source} ({row.evidence})"),
        *_widths(device),
    ]
    return Metric(
        "accuracy", _from_error("top-1 accuracy", row.top1_error), others, EQUATION,
        tuple(one for one in stated if one[1]),
        () if row.protocol else (("protocol", "the source does not say"),),
    )  # fmt: skip


def _from_error(name: str, error: float) -> Figure:
    factors = (Factor("all images", 100.0, "%"), Factor("error, taken off", -error, "%"))
    return product(name, "%", factors, "published", "sum")


def published_row(net: Subject) -> tuple[Published | None, str]:
    """The published row that is this network's, ImageNet with one crop before others; or why there is none."""
    if not net.zoo:
        return (
            None,
            "the network is not of the zoo, so nothing is published of it; --run RUN has a training's",
        )
    asked = {f"{key}={value}" for key, value in net.settings}
    rows = [row for row in info(net.zoo).published if row.top1_error is not None]
    same = [row for row in rows if set(filter(None, row.settings.split(","))) == asked]
    if not same:
        settings = f" with {', '.join(sorted(asked))}" if asked else ""
        return None, f"no accuracy of {net.zoo}{settings} is published; --run RUN has a training's"
    if (shape := net.input_shape[1:]) != (
        made := default_input_shape(net.zoo, **dict(net.settings))[1:]
    ):
        return None, f"published accuracies are of images of {_times(made)}, not {_times(shape)}"
    first = min(
        same, key=lambda row: (row.dataset != "ImageNet", not row.protocol.endswith("1 crop"))
    )
    if first.params_m and not first.reason:
        apart = net.load.params / (first.params_m * 1e6) - 1
        if abs(apart) > PARAMS_APART:
            return (
                None,
                f"{net.name} has {apart:+.0%} parameters of the published network of that name",
            )
    return first, ""


def _of_run(net: Subject, run: Run, device: Accelerator | Roofline | None) -> Metric:
    recipe = run.recipe
    trained = recipe.network.name
    if net.zoo and not _same_network(net, trained, recipe.network.config):
        raise UsageError(
            f"{run.path} trained {trained} with {dict(recipe.network.config) or 'no settings'}, the card is of {net.name}",
            expected="a run of the same network",
        )
    best: dict[str, Any] | None = run.best
    if best is None:
        raise UsageError(
            f"{run.path} has tested nothing yet", expected="a run with a finished epoch"
        )
    top1 = float(best["test_top1"])
    others = (Figure("top-5 accuracy", float(best["test_top5"]), "%", basis="trained"),)
    stated = (
        ("task", _TASK),
        (
            "data set",
            f"{recipe.data.source}, {'kept from training' if recipe.data.validation else 'test split'}",
        ),
        ("image size", _size(net)),
        ("protocol", f"one pass an image, {', '.join(recipe.data.test_transforms) or 'as it is'}"),
        (
            "source",
            f"run {run.path.name}, best epoch: {best['epoch']} of {recipe.epochs}, chosen by this accuracy",
        ),
        *_widths(device),
    )
    missing = (
        ()
        if net.zoo
        else (
            (
                "same network",
                f"the run's is {trained}; the card's is {net.name}, which was not compared",
            ),
        )
    )
    return Metric(
        "accuracy",
        Figure("top-1 accuracy", top1, "%", basis="trained"),
        others,
        EQUATION,
        stated,
        missing,
    )


def _same_network(net: Subject, name: str, config: Mapping[str, object]) -> bool:
    return name == net.zoo and _settled(name, config) == _settled(name, dict(net.settings))


def _settled(name: str, config: Mapping[str, object]) -> object:
    """All settings of a network, defaults and what was asked for."""
    family, model = default_registry().find(name)
    return make(name, family.config, model.defaults, config)


def _size(net: Subject) -> str:
    return _times(net.input_shape[1:])


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _widths(device: Accelerator | Roofline | None) -> tuple[tuple[str, str], ...]:
    """What the accuracy does not say about a device that computes in integers."""
    if not isinstance(device, Accelerator):
        return ()
    bits = device.bits
    return (
        ("precision", f"found in floating point; {device.name} computes in {bits['W']}-bit weights and {bits['I']}-bit inputs, "
         "with which it was not evaluated"),
    )  # fmt: skip
