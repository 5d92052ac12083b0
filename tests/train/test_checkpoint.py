"""Checkpoints: whole or not there, and every flipped bit is noticed."""

import random
import shutil
from pathlib import Path

import pytest
import torch

from steelyard.errors import FileFormatError
from steelyard.train import checkpoint as subject
from steelyard.train.checkpoint import Checkpoint, checkpoints, load, newest, prune, save


def made(step: int) -> Checkpoint:
    tensors = {"model": {"w": torch.full((3,), float(step))}, "state": {"s": torch.arange(4)}}
    return Checkpoint(step, tensors, {"epoch": 1, "loss": 0.1 + 0.2, "rows": [1, None]})


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    again = load(save(tmp_path, made(7)))
    assert again.step == 7 and again.facts == made(7).facts
    assert torch.equal(again.tensors["model"]["w"], torch.full((3,), 7.0))
    assert [path.name for path in tmp_path.iterdir()] == ["00000007"]


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = save(tmp_path, made(7))
    draw = random.Random(1)
    for file in sorted(path.iterdir()):
        content = file.read_bytes()
        for _ in range(60):
            at = draw.randrange(len(content))
            flipped = bytes([content[at] ^ 1 << draw.randrange(8)])
            file.write_bytes(content[:at] + flipped + content[at + 1 :])
            with pytest.raises(FileFormatError, match=r"not as it was written|damaged"):
                load(path)
        file.write_bytes(content)
    load(path)


@pytest.mark.parametrize("name", ["model.safetensors", "state.safetensors", "manifest.json"])
@pytest.mark.parametrize("kept", [0, 1, 0.5])
def test_what_is_cut_off_or_missing_is_noticed(tmp_path: Path, name: str, kept: float) -> None:
    file = save(tmp_path, made(7)) / name
    content = file.read_bytes()
    file.write_bytes(content[: int(kept if kept == 1 else kept * len(content))])
    with pytest.raises(FileFormatError):
        load(file.parent)
    file.unlink()
    with pytest.raises(FileFormatError, match="damaged: No such file"):
        load(file.parent)


def test_the_newest_whole_one_is_used_and_said(tmp_path: Path) -> None:
    for step in (5, 20, 100):
        save(tmp_path, made(step))
    (tmp_path / "00000100" / "model.safetensors").write_bytes(b"")
    (tmp_path / ".writing-00000120-abc").mkdir()
    found, said = newest(tmp_path)
    assert found is not None and found.step == 20
    assert len(said) == 1 and "its hash differs; the one before it is used" in said[0]
    assert [p.name for p in sorted(tmp_path.iterdir())] == [
        "00000005",
        "00000020",
        "00000100.damaged",
    ]
    assert newest(tmp_path)[1] == []


def test_where_nothing_is_there_is_nothing_to_use(tmp_path: Path) -> None:
    assert newest(tmp_path / "none") == (None, [])


def test_a_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    save(tmp_path, made(7))
    save(tmp_path, Checkpoint(7, {"model": {}}, {"new": True}))
    assert load(tmp_path / "00000007").facts == {"new": True}


def test_two_are_kept_and_those_asked_for(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4, 5):
        save(tmp_path, made(step))
    prune(tmp_path, {2})
    assert [path.name for path in checkpoints(tmp_path)] == ["00000002", "00000004", "00000005"]


def test_a_failed_attempt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, made(1))
    before = shutil.copytree(tmp_path, tmp_path.with_name("before"))

    def full(*_: object) -> tuple[str, int]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(subject, "write_through", full)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, made(2))
    assert [p.name for p in tmp_path.iterdir()] == [p.name for p in before.iterdir()]
