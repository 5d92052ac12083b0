"""The networks of the speed benchmark: built with random weights, on the CPU, in eval mode."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Network:
    """A network of torchvision or timm.

    Attributes:
        name: as its library calls it.
        library: ``torchvision`` or ``timm``.
        size: height and width of its input.
        options: for its builder.
    """

    name: str
    library: str = "torchvision"
    size: int = 224
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(1, 3, H, W)."""
        return (1, 3, self.size, self.size)

    def build(self) -> nn.Module:
        """The module."""
        importlib.import_module("torchvision_stub")
        if self.library == "timm":
            create: Callable[..., nn.Module] = importlib.import_module("timm").create_model
        else:
            create = importlib.import_module("torchvision").models.get_model
        with torch.no_grad():
            return create(self.name, **dict(self.options)).eval()

    def published_gmacs(self) -> float | None:
        """Billions of MACs that torchvision publishes with its weights; None for timm."""
        if self.library != "torchvision":
            return None
        importlib.import_module("torchvision_stub")
        models = importlib.import_module("torchvision").models
        weights = next(iter(models.get_model_weights(self.name)))
        return float(weights.meta["_ops"])


NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        Network("resnet18"),
        Network("resnet50"),
        Network("vgg16"),
        Network("squeezenet1_1"),
        Network("densenet121"),
        Network("googlenet", options=(("init_weights", False),)),
        Network("inception_v3", size=299, options=(("init_weights", False),)),
        Network("mobilenet_v2"),
        Network("mobilenet_v3_large"),
        Network("shufflenet_v2_x1_0"),
        Network("mnasnet1_0"),
        Network("efficientnet_b0"),
        Network("regnet_y_400mf"),
        Network("convnext_tiny"),
        Network("vit_b_16"),
        Network("swin_t"),
        Network("legacy_xception", "timm", 299),
        Network("hrnet_w18", "timm"),
        Network("nasnetalarge", "timm", 331),
    )
}
"""By name, in the order of the table."""
