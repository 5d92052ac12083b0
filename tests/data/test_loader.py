"""Batches: an epoch is the same for any number of ranks, and can be entered anywhere."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.data import ArrayDataset
from steelyard.data.loader import Loader
from steelyard.data.transforms import parse_transforms
from steelyard.errors import UsageError

PIPELINE = parse_transforms(["crop:padding=2", "flip", "normalize:mean=0.5,std=0.25"])


def random_set(count: int, *, side: int = 6, channels: int = 1) -> ArrayDataset:
    generator = torch.Generator().manual_seed(count)
    images = torch.randint(
        0, 256, (count, channels, side, side), dtype=torch.uint8, generator=generator
    )
    return ArrayDataset("noise", "train", ("a", "b"), images, torch.arange(count) % 2, "")


@settings(max_examples=40)
@given(
    st.integers(1, 40),
    st.integers(1, 9),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
    st.integers(0, 5),
)
def test_the_ranks_together_are_the_epoch_of_one_process(
    count: int, batch: int, world: int, shuffle: bool, drop_last: bool, epoch: int
) -> None:
    world = min(world, batch)
    data = random_set(count)

    def loader(rank: int, world: int) -> Loader:
        return Loader(
            data, batch=batch, transforms=PIPELINE, seed=3, shuffle=shuffle, train=True,
            drop_last=drop_last, rank=rank, world=world,
        )  # fmt: skip

    alone = list(loader(0, 1).epoch(epoch))
    ranks = [list(loader(rank, world).epoch(epoch)) for rank in range(world)]
    assert len(alone) == len(loader(0, 1)) == (count // batch if drop_last else -(-count // batch))
    assert {len(batches) for batches in ranks} == {len(alone)}
    for whole, *shares in zip(alone, *ranks, strict=True):
        assert torch.equal(torch.cat([share.images for share in shares]), whole.images)
        assert torch.equal(torch.cat([share.labels for share in shares]), whole.labels)
        assert torch.equal(torch.cat([share.indices for share in shares]), whole.indices)
        assert {share.whole for share in shares} == {len(whole)}
        sizes = [len(share) for share in shares]
        assert max(sizes) - min(sizes) <= 1
    seen = torch.cat([b.indices for b in alone]).tolist() if alone else []
    assert len(set(seen)) == len(seen) == (count // batch * batch if drop_last else count)


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(1, 7), st.integers(0, 3), st.data())
def test_an_epoch_can_be_entered_at_any_batch(
    count: int, batch: int, epoch: int, data: st.DataObject
) -> None:
    loader = Loader(random_set(count), batch=batch, transforms=PIPELINE, seed=1, shuffle=True)
    start = data.draw(st.integers(0, len(loader)))
    late, all_ = list(loader.epoch(epoch, start)), list(loader.epoch(epoch))
    assert len(late) == len(all_) - start
    for one, other in zip(late, all_[start:], strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.indices, other.indices)


def test_a_sample_does_not_see_the_others_of_its_batch() -> None:
    data = random_set(50)

    def by_sample(batch: int) -> torch.Tensor:
        loader = Loader(data, batch=batch, transforms=PIPELINE, seed=1, shuffle=True)
        batches = list(loader.epoch(4))
        out = torch.empty(50, 1, 6, 6)
        out[torch.cat([b.indices for b in batches])] = torch.cat([b.images for b in batches])
        return out

    assert torch.equal(by_sample(50), by_sample(7))


def test_epochs_and_seeds_differ_and_repeat() -> None:
    data = random_set(32)

    def first(seed: int, epoch: int) -> torch.Tensor:
        loader = Loader(data, batch=32, transforms=PIPELINE, seed=seed, shuffle=True)
        return next(loader.epoch(epoch)).indices

    assert torch.equal(first(1, 2), first(1, 2))
    assert not torch.equal(first(1, 2), first(1, 3))
    assert not torch.equal(first(1, 2), first(2, 2))


def test_without_shuffle_random_transforms_are_left_out_unless_asked_for() -> None:
    data = random_set(8)
    plain = next(Loader(data, batch=8, transforms=PIPELINE).epoch(0)).images
    assert torch.allclose(plain, (data.images / 255 - 0.5) / 0.25, atol=1e-6)
    augmented = Loader(data, batch=8, transforms=PIPELINE, train=True)
    assert not torch.equal(next(augmented.epoch(0)).images, plain)


def test_channels_last() -> None:
    data = random_set(8, channels=3)
    loader = Loader(data, batch=8, transforms=PIPELINE, channels_last=True)
    images = next(loader.epoch(0)).images
    assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"batch": 0}, "batch=0"),
        ({"rank": 2, "world": 2}, "rank=2 of world=2"),
        ({"world": 9, "batch": 8}, "a batch of 8 for 9 processes"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**64}, "seed="),
    ],
)
def test_wrong_numbers(numbers: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Loader(random_set(9), **{"batch": 4, "transforms": PIPELINE} | numbers)  # type: ignore[arg-type]


def test_wrong_epochs() -> None:
    loader = Loader(random_set(9), batch=4, transforms=PIPELINE)
    for epoch, start in ((-1, 0), (2**32, 0), (0, 4), (0, -1)):
        with pytest.raises(UsageError, match=r"epoch=|start="):
            next(loader.epoch(epoch, start))
