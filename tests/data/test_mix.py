"""Mixup and CutMix: the papers' formulas, written out again image by image."""

import numpy as np
import pytest
import torch
from as_pillow import pictures

from steelyard.data.draws import Draws
from steelyard.data.mix import CutMix, Mixup, beta
from steelyard.data.transforms import Pipeline, parse_transforms
from steelyard.errors import UsageError

LABELS = torch.tensor([0, 1, 2, 2, 1, 0, 3])
PARTNERS = np.array([1, 0, 3, 2, 5, 4, 6])


def draws(count: int) -> Draws:
    return Draws(2, 3, np.arange(count), 0)


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 2.5, 50.0])
def test_the_beta_distribution_is_numpys(alpha: float) -> None:
    count = 20_000
    ours = np.sort(beta(alpha, draws(count), skip=4))
    theirs = np.sort(np.random.default_rng(0).beta(alpha, alpha, count))
    assert ours.min() >= 0
    assert ours.max() <= 1
    # Kolmogorov and Smirnov's distance of two samples, at one in a thousand
    both = np.concatenate((ours, theirs))
    apart = np.searchsorted(ours, both, "right") - np.searchsorted(theirs, both, "right")
    assert np.abs(apart).max() / count < 1.95 * np.sqrt(2 / count)


def mixed(pipeline: Pipeline, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return pipeline.mix(
        images, LABELS, torch.arange(7), partners=PARTNERS, classes=4, seed=2, epoch=3
    )


def one_hot(label: int) -> torch.Tensor:
    return torch.eye(4)[label]


def test_mixup_is_the_sum_that_the_targets_say() -> None:
    images = torch.rand(7, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    out, targets = mixed(parse_transforms(["mixup:alpha=1"]), images)
    own = beta(1.0, draws(7), skip=4)
    for i, j in enumerate(PARTNERS.tolist()):
        part = float(own[i])
        assert torch.allclose(out[i], part * images[i] + (1 - part) * images[j], atol=1e-6)
        expected = part * one_hot(int(LABELS[i])) + (1 - part) * one_hot(int(LABELS[j]))
        assert torch.allclose(targets[i], expected, atol=1e-6)
    assert torch.equal(targets[2], one_hot(2))  # of one class
    assert torch.allclose(out[6], images[6])  # without a partner


def test_cutmix_pastes_a_box_and_counts_its_pixels() -> None:
    count, side = 600, 24
    own_image, other = torch.zeros(count, 1, side, side), torch.ones(count, 1, side, side)
    out, own = CutMix()(own_image, other, draws(count))
    pasted = out[:, 0].bool()
    area = pasted.double().mean((1, 2)).numpy()
    assert np.allclose(1 - own, area)
    rows, columns = pasted.any(2).sum(1).numpy(), pasted.any(1).sum(1).numpy()
    assert np.allclose(rows * columns / side**2, area)
    # both sides are the square root of the area, unless the box hangs over
    drawn = beta(1.0, draws(count), skip=4)
    longest = 2 * (np.trunc(np.sqrt(1 - drawn) * side) // 2)
    assert bool(((rows <= longest) & (columns <= longest)).all())
    inside = np.minimum(1, (side - longest + 1) / side) ** 2
    assert abs(((rows == longest) & (columns == longest)).mean() - inside.mean()) < 0.06
    # the middles are anywhere: as much of every corner is covered
    corners = [pasted[:, y, x].double().mean() for y in (0, -1) for x in (0, -1)]
    assert max(corners) - min(corners) < 0.08
    assert float(pasted[:, side // 2, side // 2].double().mean()) > max(corners)


def test_targets_of_cutmix_are_the_parts_of_the_image() -> None:
    images = (torch.arange(7.0)[:, None, None, None] + 1).expand(-1, 1, 20, 20)
    out, targets = mixed(parse_transforms(["cutmix"]), images)
    for i, j in enumerate(PARTNERS.tolist()):
        part = float((out[i] == images[i]).double().mean())
        expected = part * one_hot(int(LABELS[i])) + (1 - part) * one_hot(int(LABELS[j]))
        assert torch.allclose(targets[i], expected, atol=1e-6)


def test_of_two_mixings_each_sample_takes_one() -> None:
    count = 2000
    images = pictures(count, 8, 8, 1).float()
    labels = torch.arange(count)
    partners = np.arange(count) ^ 1
    pipeline = parse_transforms(["mixup:alpha=1", "cutmix"])
    out, _ = pipeline.mix(images, labels, labels, partners=partners, classes=count, seed=0, epoch=0)
    cut = ((out == images) | (out == images[partners])).flatten(1).all(1).double().mean()
    assert abs(float(cut) - 0.5) < 0.05


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_probability_of_mixing(name: str) -> None:
    count = 2000
    images, other = torch.zeros(count, 1, 16, 16), torch.ones(count, 1, 16, 16)
    step = Mixup(1.0, 0.3) if name == "mixup" else CutMix(1.0, 0.3)
    _, own = step(images, other, draws(count))
    # a few boxes have no pixel
    assert 0.24 < (own < 1).mean() < 0.34


@pytest.mark.parametrize("text", ["mixup:alpha=0", "cutmix:alpha=101", "mixup:p=2"])
def test_what_mixing_refuses(text: str) -> None:
    with pytest.raises(UsageError, match=text.partition(":")[0] + " with"):
        parse_transforms([text])
