"""`create`, `list_models`, `info` and `register_family`: networks by name.

Only `create` imports torch: what is known about a network without building it stands in
`steelyard.zoo.catalog`, one small file a family, and in ``catalog/<family>.csv``.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from steelyard.errors import SteelyardError, UnknownNameError, UsageError
from steelyard.zoo import config as settings
from steelyard.zoo.config import Setting
from steelyard.zoo.published import Published, published_figures

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a network was published. ``arxiv`` is the identifier, "" if there is none."""

    title: str
    authors: str
    year: int
    venue: str
    arxiv: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """One named network of a family.

    Attributes:
        name: what `create` takes.
        defaults: its settings, where they differ from the family's.
        notes: what the papers leave out or state ambiguously, and what was chosen here.
        paper: where it differs from the family's.
        same_as: library -> its name for the very same network, e.g. ``{"torchvision": "resnet50",
            "timm": "resnet50"}``: weights fit and outputs agree.
    """

    name: str
    defaults: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    notes: str = ""
    paper: Paper | None = None
    same_as: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Family:
    """Networks that share one builder and one set of settings.

    Attributes:
        name: what the field calls it.
        builder: ``package.module:callable``, imported when a network is created, or the callable
            itself; it takes an instance of ``config`` and returns an ``nn.Module``.
        config: frozen dataclass of settings, usually derived from `ImageConfig`. `create` and
            `default_input_shape` read ``in_channels`` and ``resolution`` from it.
        paper: where the family was published.
        models: its named networks.
        published: figures from papers, where they are not rows of ``catalog/<family>.csv``.
        keys: how another library names the same weights: library -> (regular expression, replacement)
            pairs, applied in order to *its* names to get ours; none where the names are the same.
    """

    name: str
    builder: str | Callable[[Any], nn.Module]
    config: type
    paper: Paper
    models: tuple[Model, ...]
    published: tuple[Published, ...] = ()
    keys: Mapping[str, tuple[tuple[str, str], ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known about a network without building it.

    Attributes:
        name: what `create` takes.
        family: the field's name for its family.
        paper: where it was published.
        input_shape: default input (N, C, H, W).
        published: figures from papers, each with its source and counting convention.
        notes: ambiguities in the papers and the choices made here.
        settings: keywords of `create` with this network's defaults.
        weights: the published weights that `create` takes, the default first.
    """

    name: str
    family: str
    paper: Paper
    input_shape: tuple[int, ...]
    published: tuple[Published, ...]
    notes: str
    settings: tuple[Setting, ...]
    weights: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """The same as plain data for JSON, schema ``steelyard.model-info/1``."""
        return {"schema": "steelyard.model-info/1", **dataclasses.asdict(self)}


class Registry:
    """Networks by name."""

    def __init__(self) -> None:
        self._models: dict[str, tuple[Family, Model]] = {}

    def add(self, family: Family) -> None:
        """Adds a family.

        Raises:
            UsageError: a name that is taken or cannot be typed as a SOURCE, a ``config`` that is no
                frozen dataclass, or a default that the ``config`` does not accept.
        """
        frozen = getattr(family.config, "__dataclass_params__", None)
        if frozen is None or not frozen.frozen:
            raise UsageError(
                f"the settings of {family.name}, {family.config!r}, are no frozen dataclass",
                expected="a class decorated with @dataclass(frozen=True)",
            )
        for model in family.models:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", model.name):
                raise UsageError(
                    f"{model.name!r} cannot be the name of a network",
                    expected="lower-case letters, digits and _, a letter first",
                )
            if model.name in self._models:
                raise UsageError(
                    f"a network named {model.name!r} is registered already "
                    f"(family {self._models[model.name][0].name})",
                    hint="another name",
                )
            settings.make(model.name, family.config, {}, model.defaults)
        self._models.update({model.name: (family, model) for model in family.models})

    def find(self, name: str) -> tuple[Family, Model]:
        """The family and model of that name.

        Raises:
            UnknownNameError: there is none.
        """
        try:
            return self._models[name]
        except (KeyError, TypeError):
            hint = self.called_here(str(name)) or "steelyard models"
            raise UnknownNameError("network", str(name), self._models, hint=hint) from None

    def called_here(self, name: str) -> str:
        """Its name here, in words, where another library has a network of that name; else "".

        timm's tags of weights, as in ``resnet50.a1_in1k``, are passed over.
        """
        bare, dot, _ = name.partition(".")
        if dot and bare in self._models:
            return f"{bare}, without {name[len(bare) :]}"
        for own, (_, model) in self._models.items():
            for library, theirs in model.same_as.items():
                if theirs == bare:
                    return f"{own}, which {library} calls {bare}"
        return ""

    def names(self) -> list[str]:
        """All names, numbers in them in the order of their value."""
        return sorted(self._models, key=_natural)


@lru_cache(maxsize=1)
def default_registry() -> Registry:
    """The registry that holds the families of `steelyard.zoo.catalog` and what users added."""
    from steelyard.zoo import catalog

    registry = Registry()
    for entry in sorted(m.name for m in pkgutil.iter_modules(catalog.__path__)):
        module = importlib.import_module(f"{catalog.__name__}.{entry}")
        for family in module.FAMILIES:
            registry.add(family)
    return registry


def register_family(family: Family) -> None:
    """Adds networks of your own, beside those that come with steelyard.

    Example::

        @dataclass(frozen=True)
        class MyConfig(ImageConfig):
            depth: int = setting(3, "convolutions", low=1)

        register_family(Family("MyNet", "mypkg.net:MyNet", MyConfig, paper, (Model("mynet"),)))

    Raises:
        UsageError: a name is taken or malformed, or the settings are no frozen dataclass.
    """
    default_registry().add(family)


def create(
    name: str,
    /,
    *,
    features_only: bool = False,
    weights: str | os.PathLike[str] | None = None,
    **config: object,
) -> nn.Module:
    """Builds a network with freshly initialised or pretrained weights, in training mode.

    Example: ``create("resnet50", num_classes=10, width=0.5)``. Under ``with torch.device("meta")``
    no weights are allocated.

    Args:
        name: one of `list_models`.
        features_only: the network without its classifier, a `steelyard.zoo.network.Backbone`: it
            returns the last feature map of every resolution.
        weights: ``"torchvision"``, ``"timm"`` or another source of ``info(name).weights``, with a tag
            where there are several (``"torchvision:IMAGENET1K_V2"``); or a file, .safetensors, .pt or
            .pth. Where ``num_classes`` is typed out and differs from the file's, the classifier is
            freshly initialised and all else comes from the file. Settings without which weights would
            give other outputs than where they were trained (TensorFlow's padding) come with the source.
        config: settings; ``info(name).settings`` lists them.

    Raises:
        UnknownNameError: no such network, or no such source of weights.
        UsageError: an unknown setting, a value that is impossible, or a network of which no weights
            are known.
        FileFormatError: the file of weights is missing, damaged, unsafe, or does not fit.
        BackendError: the download failed.
    """
    family, model = default_registry().find(name)
    if weights is not None:
        from steelyard.zoo.weights.api import load_weights, with_needed

        config = with_needed(model, weights, config)
    chosen = settings.make(name, family.config, model.defaults, config)
    network = _build(name, family, chosen, config)
    if weights is not None:
        classes, new_head = chosen.num_classes, "num_classes" in config
        load_weights(network, family, model, weights, classes=classes, new_head=new_head)
    from steelyard.zoo.network import Backbone, Network

    if features_only:
        network = _backbone(name, network, family, chosen)
    if isinstance(network, (Network, Backbone)):
        network.input_shape = (1, chosen.in_channels, chosen.resolution, chosen.resolution)
    return network


def _build(name: str, family: Family, chosen: Any, config: Mapping[str, object]) -> nn.Module:
    builder = _load(family.builder) if isinstance(family.builder, str) else family.builder
    try:
        return builder(chosen)
    except SteelyardError:
        raise
    except (RuntimeError, ValueError, MemoryError, OverflowError, ArithmeticError) as error:
        typed = ", ".join(f"{key}={value!r}" for key, value in config.items())
        raise UsageError(
            f"{name} cannot be built with {typed or 'its defaults'}: {error}"
        ) from error


def _backbone(name: str, network: nn.Module, family: Family, chosen: Any) -> nn.Module:
    import torch

    from steelyard.zoo.network import Backbone, Network

    with torch.device("meta"):
        probe = _build(name, family, chosen, {})
    if not isinstance(network, Network) or not isinstance(probe, Network):
        raise UsageError(
            f"{name} has no feature maps to offer: it is a {type(network).__name__}",
            expected="a network derived from steelyard.zoo.network.Network",
        )
    side: int = chosen.resolution
    return Backbone(network, probe, (1, chosen.in_channels, side, side))


def list_models(pattern: str = "*") -> list[str]:
    """Names that match a shell pattern, in natural order.

    >>> list_models("resnet?*_v1")
    ['resnet50_v1', 'resnet101_v1', 'resnet152_v1']
    """
    return [name for name in default_registry().names() if fnmatchcase(name, pattern)]


def info(name: str) -> ModelInfo:
    """What is known about a network without building it.

    Raises:
        UnknownNameError: no such network.
    """
    from steelyard.zoo.weights.sources import sources_of

    family, model = default_registry().find(name)
    own = tuple(figure for figure in family.published if figure.model == name)
    return ModelInfo(
        name=name,
        family=family.name,
        paper=model.paper or family.paper,
        input_shape=default_input_shape(name),
        published=own or published_figures().get(name, ()),
        notes=model.notes,
        settings=settings.describe(family.config, model.defaults),
        weights=tuple(source.name for source in sources_of(model)),
    )


def default_input_shape(name: str, /, **config: object) -> tuple[int, ...]:
    """The input (N, C, H, W) that a network was made for, with N = 1.

    >>> default_input_shape("alexnet"), default_input_shape("resnet50", resolution=160)
    ((1, 3, 227, 227), (1, 3, 160, 160))

    Raises:
        UnknownNameError: no such network.
        UsageError: an unknown setting, or a value that is impossible.
    """
    family, model = default_registry().find(name)
    chosen = settings.make(name, family.config, model.defaults, config)
    side: int = chosen.resolution
    return (1, chosen.in_channels, side, side)


def _load(builder: str) -> Callable[[Any], nn.Module]:
    module, _, attribute = builder.partition(":")
    function: Callable[[Any], nn.Module] = getattr(importlib.import_module(module), attribute)
    return function


def _natural(name: str) -> tuple[tuple[str, int], ...]:
    return tuple((text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name))
