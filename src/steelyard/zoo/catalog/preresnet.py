"""Pre-activation residual networks: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.zoo.catalog.resnet import IMAGENET_BLOCKS, ResNetConfig
from steelyard.zoo.config import setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class PreResNetConfig(ResNetConfig):
    """Settings of a pre-activation residual network."""

    stem_norm: bool = setting(
        True, "whether BN and ReLU follow the first convolution, before the first block's own"
    )
    reduction: int | None = setting(
        None,
        "r of squeeze-and-excitation before each addition; none: without (Hu et al. 2017)",
        low=1,
        high=1024,
    )


_IMAGENET = (
    "Two activations meet at the start: BN-ReLU behind the first convolution, as in the post-activation "
    "network, and BN-ReLU before the first block, shared with its projection. The paper's text has only "
    "one of them: stem_norm=False drops the first. Projections have no BN. The 3x3 carries the stride, "
    "as in fb.resnet.torch; stride_at='1x1' is the other reading."
)
_V2 = "As timm has it: no BN and ReLU between the first convolution and the pooling."
_CIFAR = (
    "No BN between the first convolution and the first block; 1x1 projections without BN where the "
    "shape changes, of the activated input."
)
_CIFAR_BOTTLENECK = (
    _CIFAR
    + " The 3x3 carries the stride; in the authors' code it is the first 1x1 (stride_at='1x1'), "
    "with 3.1 M multiply-accumulates less."
)
_SE = " Squeeze-and-excitation before each addition: Hu et al. 2017 (arXiv:1709.01507), table 4."
_CIFAR_MODELS = {
    110: ("basic", 18),
    164: ("bottleneck", 18),
    1001: ("bottleneck", 111),
}


def _cifar(depth: int, reduction: int | None = None) -> Model:
    block, n = _CIFAR_MODELS[depth]
    settings: dict[str, object] = {
        "block": block,
        "blocks": (n, n, n),
        "stem": "cifar",
        "stem_norm": False,
        "num_classes": 10,
        "resolution": 32,
    }
    notes = _CIFAR if block == "basic" else _CIFAR_BOTTLENECK
    if reduction is None:
        return Model(f"preresnet{depth}_cifar", settings, notes)
    return Model(f"sepreresnet{depth}_cifar", settings | {"reduction": reduction}, notes + _SE)


_TIMM = (
    (r"^stem\.conv\.", "conv1."),
    (r"^stages\.(\d+)\.blocks\.(\d+)\.norm(\d)\.", r"layer\1.\2.bn\3."),
    (r"^stages\.(\d+)\.blocks\.(\d+)\.downsample\.conv\.", r"layer\1.\2.downsample."),
    (r"^stages\.(\d+)\.blocks\.(\d+)\.", r"layer\1.\2."),
    *((rf"^layer{i}\.", f"layer{i + 1}_.") for i in range(4)),
    (r"^(layer\d)_\.", r"\1."),
    (r"^norm\.", "bn."),
    (r"^head\.fc\.", "fc."),
)

FAMILIES = (
    Family(
        name="PreResNet",
        builder="steelyard.zoo.preresnet:preresnet",
        config=PreResNetConfig,
        paper=Paper(
            "Identity Mappings in Deep Residual Networks",
            "He, Zhang, Ren, Sun",
            2016,
            "ECCV 2016",
            "1603.05027",
        ),
        models=(
            *(
                Model(f"preresnet{depth}", {"block": block, "blocks": blocks}, _IMAGENET)
                for depth, (block, blocks) in IMAGENET_BLOCKS.items()
                if depth != 26
            ),
            *(
                Model(
                    f"resnetv2_{depth}",
                    {"block": block, "blocks": blocks, "stem_norm": False},
                    _V2,
                    same_as={"timm": f"resnetv2_{depth}"},
                )
                for depth, (block, blocks) in IMAGENET_BLOCKS.items()
                if depth in (18, 34, 50, 101, 152)
            ),
            *(_cifar(depth) for depth in _CIFAR_MODELS),
            *(_cifar(depth, reduction=16) for depth in (110, 164)),
        ),
        keys={"timm": _TIMM},
    ),
)
