"""Random mutants of two torch.export archives: only errors of ours, each within 5 s, all within 1 GB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

PROGRAM = Path(__file__).with_name("fuzz_exported.py")


class Convolutions(nn.Module):
    """Batch norm, residual, pooling, concatenation, a dynamic batch."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.bn, self.fc = nn.BatchNorm2d(4), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu_(self.bn(self.a(x)))
        x = F.max_pool2d(x + self.b(x), 2)
        return self.fc(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))


class Mixed(nn.Module):
    """Attention, einsum, an LSTM, a branch, splits."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.a, self.b = nn.LSTM(8, 4), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        q, k = self.a(x).chunk(2, 1)
        y = F.scaled_dot_product_attention(q, k, k) + torch.einsum("nij,nkj->nik", q, k) @ k
        z = torch.cond(x.sum() > 0, lambda x: self.a(x), lambda x: self.b(self.a(x)), (x,))
        return y, z, self.lstm(x)[0].view(-1, 4)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("archives")
    batch = torch.export.Dim("batch", min=1, max=64)
    programs = [
        torch.export.export(
            Convolutions().eval(), (torch.zeros(2, 3, 8, 8),), dynamic_shapes=({0: batch},)
        ),
        torch.export.export(Mixed().eval(), (torch.zeros(2, 8, 8),)),
    ]
    for i, program in enumerate(programs):
        torch.export.save(program, folder / f"{i}.pt2")
    return [folder / "0.pt2", folder / "1.pt2"]


def _fuzz(archive: Path, folder: Path, first: int, count: int) -> dict[str, Any]:
    command = [
        sys.executable,
        str(PROGRAM),
        str(archive),
        str(folder),
        str(first),
        str(first + count),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["read"] + result["refused"] == count
    # mutants that all fail, or all pass, would prove little
    assert result["read"] > count // 20 and result["refused"] > count // 4
    assert result["slowest"] < 5
    assert result["peak"] < 10**9
    assert [entry.name for entry in folder.iterdir()] == ["mutant.pt2"]
    return result


@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")
@pytest.mark.parametrize("which", [0, 1])
def test_mutants(archives: list[Path], tmp_path: Path, which: int) -> None:
    assert _fuzz(archives[which], tmp_path, first=0, count=75)["wrong"] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")
@pytest.mark.parametrize("which", [0, 1])
def test_many_mutants(archives: list[Path], tmp_path: Path, which: int) -> None:
    assert _fuzz(archives[which], tmp_path, first=1000, count=700)["wrong"] == []
