"""Graphs inside exported graphs: which part is counted, and how often."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from steelyard.capture.exported import capture_exported
from steelyard.workload import Workload


def _weigh(model: nn.Module, x: torch.Tensor, path: Path) -> Workload:
    torch.export.save(torch.export.export(model.eval(), (x,)), path / "net.pt2")
    return capture_exported(path / "net.pt2")


class Branches(nn.Module):
    def __init__(self, *, swap: bool = False) -> None:
        super().__init__()
        self.light = nn.Linear(4, 8)
        self.heavy = nn.Sequential(nn.Linear(4, 16), nn.Linear(16, 8))
        self.swap = swap

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches: list[Callable[[torch.Tensor], torch.Tensor]] = [
            lambda x: self.light(x),
            lambda x: self.heavy(x),
        ]
        if self.swap:
            branches.reverse()
        return torch.cond(x.sum() > 0, branches[0], branches[1], (x,)) + 1


@pytest.mark.parametrize(("swap", "chosen"), [(False, "false"), (True, "true")])
def test_cond_counts_the_heavier_branch(tmp_path: Path, swap: bool, chosen: str) -> None:
    load = _weigh(Branches(swap=swap), torch.zeros(2, 4), tmp_path)
    heavy, light = 2 * (4 * 16 + 16 * 8), 2 * 4 * 8
    assert load.macs == heavy
    assert load.params == 4 * 16 + 16 + 16 * 8 + 8
    assert load.unused_params == 4 * 8 + 8
    assert load.warnings == (
        f"torch.cond: the {chosen} branch is counted, with {heavy} MACs against {light}",
    )
    # inner graphs do not name modules; the weights tell them
    assert [layer.module for layer in load.layers if layer.macs] == ["heavy.0", "heavy.1"]
    assert load.layers[-1].op == "aten.add" and load.layers[-1].inputs == ("heavy.1",)


def test_conds_in_conds_take_the_heaviest_path(tmp_path: Path) -> None:
    class Net(nn.Module):
        def __init__(self, depth: int) -> None:
            super().__init__()
            self.small = nn.Linear(4, 4)
            self.large = (
                Net(depth - 1) if depth else nn.Sequential(nn.Linear(4, 9), nn.Linear(9, 4))
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cond(
                x.sum() > 0, lambda x: self.small(x), lambda x: self.large(self.small(x)), (x,)
            )

    load = _weigh(Net(2), torch.zeros(2, 4), tmp_path)
    assert load.macs == 2 * (3 * 4 * 4 + 2 * 4 * 9)
    assert len(load.warnings) == 3


def test_modes_around_a_graph_change_nothing(tmp_path: Path) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                x = self.a(x)
            with torch.autocast("cpu", torch.bfloat16):
                return self.b(x)

    load = _weigh(Net(), torch.zeros(2, 4), tmp_path)
    assert {layer.name: layer.macs for layer in load.layers if layer.macs} == {
        "a": 2 * 4 * 6,
        "b": 2 * 6 * 5,
    }
    assert load.coverage.unknown == () and load.warnings == ()
    assert load.tensor(load.outputs[0]).dtype == "bfloat16"


def test_while_loop_counts_one_round_and_says_so(tmp_path: Path) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            def step(i: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                return i + 1, self.a(x)

            from torch._higher_order_ops.while_loop import while_loop

            return while_loop(lambda i, x: i < 3, step, (torch.tensor(0), x))[1]

    load = _weigh(Net(), torch.zeros(2, 4), tmp_path)
    assert load.macs == 2 * 4 * 4 and load.params == 20
    assert load.warnings == (
        "while_loop: how often it runs depends on values; one round is counted",
    )


def test_scan_and_map_count_their_body_for_every_slice(tmp_path: Path) -> None:
    from torch._higher_order_ops.map import map as map_over
    from torch._higher_order_ops.scan import scan

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            last, every = scan(
                lambda carry, x: (self.a(carry) + x, carry.clone()), torch.zeros(2, 4), x, dim=0
            )
            return last, every, map_over(lambda x, w: x @ w, x, self.a.weight)

    load = _weigh(Net(), torch.zeros(5, 2, 4), tmp_path)
    assert {layer.name: layer.macs for layer in load.layers if layer.macs} == {
        "a": 5 * 2 * 4 * 4,
        "a#2": 5 * 2 * 4 * 4,
    }
    assert [load.tensor(name).shape for name in load.outputs] == [(2, 4), (5, 2, 4), (5, 2, 4)]
    assert load.params == 20
    assert load.warnings == (
        "scan: its body is counted 5 times, each layer once with all rows",
        "map_impl: its body is counted 5 times, each layer once with all rows",
    )


def test_a_higher_order_operator_that_nobody_knows_is_named(tmp_path: Path) -> None:
    _weigh(Branches(), torch.zeros(2, 4), tmp_path)
    with zipfile.ZipFile(tmp_path / "net.pt2") as archive:
        text = archive.read("net/models/model.json").decode()
    with zipfile.ZipFile(tmp_path / "other.pt2", "w") as archive:
        text = text.replace("torch.ops.higher_order.cond", "torch.ops.higher_order.choose")
        archive.writestr("net/models/model.json", text)
    load = capture_exported(tmp_path / "other.pt2")
    assert load.coverage.unknown == (("higher_order.choose", 1),)
    assert load.macs == 0 and "higher_order.choose (1x); these" in load.warnings[0]
