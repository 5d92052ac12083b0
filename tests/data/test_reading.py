"""Images read by other processes: the same batches, and clear ends of all faults."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from as_files import Files, same
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.data.loader import Batch, Loader
from steelyard.data.transforms import parse_transforms
from steelyard.errors import BackendError, FileFormatError, InputError, UsageError

TEXTS = ["random_resized_crop:8", "flip", "randaugment", "normalize:imagenet", "erase", "mixup"]


def loader(data: Files, **settings: object) -> Loader:
    chosen = {"batch": 4, "transforms": parse_transforms(TEXTS), "seed": 5, "shuffle": True}
    return Loader(data, **chosen | settings)  # type: ignore[arg-type]


def equal(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.images, b.images)
        and torch.equal(a.indices, b.indices)
        and torch.equal(a.labels, b.labels)
        and same(a.targets, b.targets)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(workers: int) -> None:
    data = Files(21, torn=(4, 9))
    alone = loader(data, on_corrupt="skip")
    several = loader(data, workers=workers, on_corrupt="skip")
    assert equal(list(several.epoch(2)), list(alone.epoch(2)))
    assert several.corrupt == alone.corrupt
    assert equal(list(several.epoch(2, start=3)), list(alone.epoch(2))[3:])


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 30), st.integers(2, 5), st.integers(1, 3), st.sampled_from([0, 0, 0, 2]))
def test_ranks_and_workers_together_are_one_process(
    count: int, pairs: int, world: int, workers: int
) -> None:
    """Mixed images included: partners stay on one rank."""
    batch = 2 * max(pairs, world)
    data = Files(count)
    alone = list(loader(data, batch=batch).epoch(1))
    ranks = [
        list(loader(data, batch=batch, rank=rank, world=world, workers=workers).epoch(1))
        for rank in range(world)
    ]
    for whole, *shares in zip(alone, *ranks, strict=True):
        assert torch.equal(torch.cat([share.images for share in shares]), whole.images)
        assert torch.equal(torch.cat([share.indices for share in shares]), whole.indices)
        parts = [share.targets for share in shares if share.targets is not None]
        assert same(torch.cat(parts), whole.targets)


def test_corrupt_images_fail_with_their_name() -> None:
    for workers in (0, 2):
        with pytest.raises(FileFormatError, match=r"7\.jpg is damaged") as error:
            list(loader(Files(12, torn=(7,)), workers=workers).epoch(0))
        assert error.value.expected == "a whole image"


def test_corrupt_images_are_left_out_and_counted() -> None:
    torn = (3, 7, 8)
    some, all_ = loader(Files(12, torn=torn), on_corrupt="skip"), loader(Files(12))
    for epoch in (0, 1):
        got, whole = list(some.epoch(epoch)), list(all_.epoch(epoch))
        for few, full in zip(got, whole, strict=True):
            kept = [i for i, index in enumerate(full.indices.tolist()) if index not in torn]
            assert few.indices.tolist() == full.indices[kept].tolist()
            assert few.whole == full.whole == 4
            for row, place in enumerate(kept):
                if int(full.indices[place ^ 1]) not in torn:
                    assert torch.equal(few.images[row], full.images[place])
                else:
                    # its partner is gone: it is left as it is
                    assert few.targets is not None
                    assert float(few.targets[row].max()) == pytest.approx(1)
    assert [each.index for each in some.corrupt] == [3, 7, 8]
    assert some.corrupt[0].reason == "3.jpg is damaged or cut off"


def test_a_batch_without_any_image_is_an_error() -> None:
    with pytest.raises(FileFormatError, match="none of the 4 images of a batch can be read"):
        list(loader(Files(8, torn=tuple(range(8))), on_corrupt="skip").epoch(0))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_set_that_raises(workers: int) -> None:
    with pytest.raises(InputError, match="data set files raised KeyError for image 5: 'colour'"):
        list(loader(Files(12, broken=5), workers=workers, on_corrupt="skip").epoch(0))


def test_a_killed_worker_ends_the_epoch() -> None:
    with pytest.raises(BackendError, match="a process that reads images was killed") as error:
        list(loader(Files(40, deadly=17), workers=2).epoch(0))
    assert "workers=0" in error.value.hint


def test_a_share_with_no_sample() -> None:
    last = list(loader(Files(5), batch=4, rank=0, world=2).epoch(0))[-1]
    other = list(loader(Files(5), batch=4, rank=1, world=2).epoch(0))[-1]
    assert sorted((len(last), len(other))) == [0, 1]
    assert last.images.shape[1:] == other.images.shape[1:] == (3, 8, 8)


def test_what_is_not_used_up_leaves_no_process() -> None:
    epoch = loader(Files(400, slow_s=0.001), workers=2).epoch(0)
    next(epoch)
    del epoch
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if children.exists():
        ours = [pid for pid in children.read_text().split() if b"pytest" in cmdline(int(pid))]
        assert ours == []


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_no_process_stays_behind(how: signal.Signals) -> None:
    program = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("reading_forever.py")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert program.stdout is not None
        readers = [int(word) for word in program.stdout.readline().split()]
        assert len(readers) == 2
        if how is signal.SIGINT:
            os.killpg(program.pid, how)  # as a terminal does
        else:
            os.kill(program.pid, how)
        _, said = program.communicate(timeout=30)
        ends = time.monotonic() + 10
        while any(map(alive, readers)) and time.monotonic() < ends:
            time.sleep(0.02)
        assert not any(map(alive, readers))
        # one traceback, of the first process
        assert said.count("KeyboardInterrupt") == (how is signal.SIGINT)
    finally:
        program.kill()


def test_wrong_settings() -> None:
    for settings_ in ({"workers": -1}, {"on_corrupt": "ignore"}):
        with pytest.raises(UsageError, match="workers="):
            loader(Files(3), **settings_)
