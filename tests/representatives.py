"""`each_network`: all networks of the zoo as parameters of a test; one of each family runs always, the others when slow ones do."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from _pytest.mark.structures import ParameterSet

from steelyard.zoo.registry import default_registry, list_models

REPRESENTATIVES = {
    "AlexNet": "alexnet",
    "AlexNet (one column)": "alexnet_owt",
    "AmoebaNet": "amoebanet_b_mobile",
    "BN-Inception": "bninception",
    "CondenseNet": "condensenet50_cifar",
    "DARTS": "darts_v1_imagenet",
    "DCN": "dcn_resnet50",
    "DRN": "drn_a_18",
    "DenseNet": "densenet40_k12_bc_cifar",
    "DenseNet-MC": "densenet52_mc_cifar",
    "ENAS macro": "enas_macro_cifar",
    "ENAS micro": "enas_micro_cifar",
    "EfficientNet": "efficientnet_b0",
    "EfficientNet-Lite": "efficientnet_lite0",
    "FE-Net": "fe_net_x0_625",
    "FLGC": "mobilenet_v2_flgc1_cifar",
    "FractalNet": "fractalnet20_cifar",
    "GoogLeNet": "googlenet",
    "GoogLeNet (BN)": "googlenet_bn",
    "HRNet": "hrnet_w18_small",
    "Inception v3": "inception_v3",
    "Inception v4": "inception_v4",
    "Inception-ResNet": "inception_resnet_v1",
    "LeNet": "lenet5_dense",
    "LeNet (Caffe)": "lenet_caffe",
    "MnasNet": "mnasnet0_5",
    "MobileNetV1": "mobilenet_v1_shallow",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3": "mobilenet_v3_small",
    "MSDNet": "msdnet4_budgeted_cifar",
    "NASNet": "nasnet_mobile",
    "Neural fabric": "cnf_dense_cifar",
    "OverFeat": "overfeat_fast",
    "PNASNet": "pnasnet5_mobile",
    "PVANet": "pvanet",
    "PreResNet": "resnetv2_18",
    "RANet": "ranet3_lg_cifar",
    "RandWire": "randwire_small",
    "ResNeXt": "resnext29_8x64d_cifar",
    "ResNet": "resnet20_cifar",
    "ResNet-MC": "resnet62_mc_cifar",
    "SE-BN-Inception": "se_bninception",
    "SENet": "seresnet18",
    "SENet, basic blocks": "legacy_seresnet18",
    "SENet-154": "legacy_senet154",
    "ShuffleNetV1": "shufflenet_v1_g1",
    "ShuffleNetV2": "shufflenet_v2",
    "ShiftNet": "shiftnet_c",
    "ShiftResNet": "shiftresnet20_1",
    "ShuffleNetV2.Large": "shufflenet_v2_large",
    "SqueezeNet": "squeezenet1_0",
    "SqueezeNext": "g_sqnxt23_w1",
    "VGG": "vgg11",
    "WideResNet": "wide_resnet18_2",
    "WideResNet-CIFAR": "wrn_16_4",
    "Xception": "xception",
    "ZFNet": "zfnet",
    "iCNN": "icnn_stage1",
}
"""A quick network of each family."""


def family(name: str) -> str:
    """The family that a network belongs to."""
    return default_registry().find(name)[0].name


def each_network(*, without: Collection[str] = ()) -> list[ParameterSet]:
    """Every name; those that represent no family are marked slow."""
    quick = set(REPRESENTATIVES.values())
    return [
        pytest.param(name, marks=[] if name in quick else [pytest.mark.slow])
        for name in list_models()
        if name not in without
    ]
