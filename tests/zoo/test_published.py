"""The families' tables of published figures are well formed and speak of networks that exist."""

from __future__ import annotations

import re

from steelyard.zoo.published import published_figures
from steelyard.zoo.registry import info, list_models

DATASETS = {
    "ImageNet",
    "MNIST",
    "CIFAR-10",
    "CIFAR-100",
    "CIFAR",
    "VOC",
    "COCO",
    "Helen",
    "PartLabels",
    "VOC/Cityscapes",
    "",
}


def test_every_row_is_of_a_network_and_reaches_its_info() -> None:
    figures = published_figures()
    assert set(figures) <= set(list_models())
    assert info("resnet50").published == figures["resnet50"]
    assert info("alexnet_one_tower").published == ()


def test_evidence_is_one_of_three_kinds() -> None:
    for rows in published_figures().values():
        for row in rows:
            kinds = re.sub(r" \([^)]*\)", "", row.evidence).split(", ")
            assert set(kinds) <= {"repository", "transcription", "recalled"}, row


def test_errors_are_percentages_with_a_data_set() -> None:
    for rows in published_figures().values():
        for row in rows:
            for error in (row.top1_error, row.top5_error):
                assert error is None or 0 < error < 100
            if row.top1_error is not None and row.top5_error is not None:
                assert row.top5_error < row.top1_error
            assert row.dataset in DATASETS


def test_figures_of_resnet50_as_the_papers_print_them() -> None:
    """He et al. 2015 (arXiv:1512.03385), tables 1 and 3: 3.8 G, 22.85 %, 6.71 %, 10 crops."""
    row = published_figures()["resnet50_v1"][0]
    assert (row.macs_m, row.top1_error, row.top5_error) == (3800, 22.85, 6.71)
    assert row.protocol == "10 crops"
