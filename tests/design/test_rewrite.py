"""`rewrite`: shapes kept, costs by the papers' formulas, weights exact where a rule says so."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import steelyard as sy
from steelyard.design import RULES, Change, Replacement, Rule, rewrite
from steelyard.errors import ModelError, UnknownNameError, UsageError


def only_change(result: Any) -> Change:
    (change,) = result.changes
    return change  # type: ignore[no-any-return]


def run(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        out: Tensor = model.eval()(x)
    return out


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


# ---- costs by formula ----------------------------------------------------------------------------


def test_a_stack_costs_9n_for_every_square_of_2n_plus_1() -> None:
    """Simonyan and Zisserman 2014, sec. 2.3: 27 C^2 against 49 C^2 for 7x7."""
    change = only_change(
        rewrite(nn.Sequential(nn.Conv2d(8, 8, 7, padding=3)), "stack3x3", input_shape=(1, 8, 9, 9))
    )
    assert change.macs == (49 * 64 * 81, 27 * 64 * 81)
    assert change.weights == "new"


def test_depthwise_separable_costs_one_m_th_plus_one_rs_th() -> None:
    """Howard et al. 2017, sec. 3.1: 1/M + 1/(R S)."""
    change = only_change(
        rewrite(
            nn.Sequential(nn.Conv2d(16, 32, 3, padding=1)),
            "depthwise_separable",
            input_shape=(1, 16, 8, 8),
        )
    )
    assert change.macs[1] / change.macs[0] == pytest.approx(1 / 32 + 1 / 9)


@pytest.mark.parametrize(
    ("rule", "weights"),
    [
        ("asymmetric", 3 * 8 * 16 + 3 * 16 * 16),
        ("asymmetric:rank=4", 3 * 8 * 4 + 3 * 4 * 16),
        ("grouped:groups=4", 8 * 16 * 9 // 4),
        ("bottleneck:reduction=4", 8 * 2 + 2 * 4 * 9 + 4 * 16),
        ("shift", 8 * 16),
    ],
)
def test_weights_by_formula(rule: str, weights: int) -> None:
    net = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1, bias=False))
    result = rewrite(net, rule, input_shape=(1, 8, 6, 6))
    change = only_change(result)
    assert change.params == (8 * 16 * 9, weights)
    assert change.macs == (8 * 16 * 9 * 36, weights * 36)
    assert result.comparison.delta.macs == change.macs[1] - change.macs[0]
    assert sum(p.numel() for p in result.model.parameters()) == weights


# ---- weights -------------------------------------------------------------------------------------

EXACT = [
    "asymmetric:rank=12",  # min(C R, S M) = min(4 * 3, 3 * 6)
    "depthwise_separable:multiplier=6",  # min(M, R S)
    "bottleneck:reduction=1",
]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    rule=st.sampled_from(EXACT),
    stride=st.integers(1, 3),
    padding=st.sampled_from([0, 1, 2, "same", "valid"]),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
)
def test_full_rank_forms_compute_the_same(
    rule: str, stride: int, padding: int | str, dilation: int, bias: bool
) -> None:
    torch.manual_seed(0)
    stride = 1 if padding == "same" else stride
    conv = nn.Conv2d(4, 6, 3, stride, padding, dilation, bias=bias)  # type: ignore[arg-type]
    net = nn.Sequential(conv).double()
    result = rewrite(net, rule, input_shape=(1, 4, 9, 8))
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(run(result.model, x), run(net, x))
    assert only_change(result).error == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "rule", ["asymmetric:rank=3", "depthwise_separable", "bottleneck:reduction=2"]
)
def test_the_stated_error_is_that_of_the_filter(rule: str) -> None:
    """The filter of a linear module is its answer to impulses; no other weights of that rank are nearer."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(4, 6, 3, padding=2, bias=False)).double()
    result = rewrite(net, rule, input_shape=(1, 4, 1, 1))
    impulses = torch.eye(4, dtype=torch.float64)[:, :, None, None]
    error = relative(run(result.model, impulses), run(net, impulses))
    assert only_change(result).error == pytest.approx(error)
    assert 0 < error < 1


def test_a_separable_filter_is_found_exactly() -> None:
    torch.manual_seed(0)
    down, across = nn.Conv2d(4, 5, (3, 1), bias=False), nn.Conv2d(5, 6, (1, 3), bias=False)
    both = nn.Conv2d(4, 6, 3, bias=False)
    both.weight.data = torch.einsum("rci,mrj->mcij", down.weight[..., 0], across.weight[:, :, 0])
    result = rewrite(nn.Sequential(both), "asymmetric:rank=5", input_shape=(1, 4, 8, 8))
    assert only_change(result).error == pytest.approx(0, abs=1e-6)


def test_groups_keep_what_a_group_sees() -> None:
    """Where a filter reads the inputs of its own group only, nothing is lost."""
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 9, 3, padding=1)
    mask = torch.zeros(9, 6, 1, 1)
    for m in range(9):
        mask[m, 2 * (m % 3) : 2 * (m % 3) + 2] = 1
    conv.weight.data *= mask
    net = nn.Sequential(conv)
    result = rewrite(net, "grouped:groups=3", input_shape=(1, 6, 7, 7))
    x = torch.randn(2, 6, 7, 7)
    torch.testing.assert_close(run(result.model, x), run(net, x))
    assert only_change(result).error == pytest.approx(0, abs=1e-6)


def test_a_filter_with_one_tap_per_channel_is_a_shift() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2)
    taps = torch.zeros(1, 4, 3, 3)
    for channel, (row, column) in enumerate([(0, 1), (2, 2), (1, 1), (1, 0)]):
        taps[0, channel, row, column] = 1
    conv.weight.data *= taps
    net = nn.Sequential(conv)
    result = rewrite(net, "shift", input_shape=(1, 4, 9, 8))
    x = torch.randn(2, 4, 9, 8)
    torch.testing.assert_close(run(result.model, x), run(net, x))
    assert only_change(result).error == pytest.approx(0, abs=1e-6)
    assert only_change(result).params == (4 * 6 * 9 + 6, 4 * 6 + 6)


def test_a_shift_needs_a_centred_window() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, padding=1))
    result = rewrite(net, "shift", input_shape=(1, 4, 9, 9))
    assert list(result.skipped) == ["0"]
    assert "does not centre the window" in result.skipped["0"]


def test_weights_are_new_when_asked_for() -> None:
    net = nn.Sequential(nn.Conv2d(4, 6, 3))
    result = rewrite(net, "bottleneck:reduction=1", input_shape=(1, 4, 8, 8), keep_weights=False)
    assert only_change(result).weights == "new"
    assert relative(run(result.model, torch.ones(1, 4, 8, 8)), run(net, torch.ones(1, 4, 8, 8))) > 0


# ---- whole networks ------------------------------------------------------------------------------


def test_the_old_network_stays_and_the_new_one_trains() -> None:
    torch.manual_seed(0)
    net = sy.create("resnet20_cifar").train()
    before = copy.deepcopy(net.state_dict())
    result = rewrite(net, "depthwise_separable", only="layer3.*")
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert net.training
    assert result.model.training
    assert {change.module.split(".")[0] for change in result.changes} == {"layer3"}
    result.model(torch.randn(2, 3, 32, 32)).sum().backward()
    for key, parameter in result.model.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("rule", ["stack3x3", "asymmetric", "bottleneck", "grouped:groups=2"])
def test_googlenet_runs_after_every_rule(rule: str) -> None:
    result = rewrite("googlenet", rule, only="inception*")
    assert result.changes
    assert sum(p.numel() for p in result.model.parameters()) > 0
    delta = sum(change.macs[1] - change.macs[0] for change in result.changes)
    assert result.comparison.delta.macs == delta


def test_squeeze_and_excitation_stands_before_the_addition() -> None:
    """Hu et al. 2017, fig. 3 and sec. 6.1: 2 C^2 / r weights per block, here with biases."""
    result = rewrite("resnet18", "squeeze_excite:reduction=16")
    paths = [change.module for change in result.changes]
    assert paths == [f"layer{s}.{b}.bn2" for s in (1, 2, 3, 4) for b in (0, 1)]
    extra = sum(2 * (2 * c * (c // 16) + c // 16 + c) for c in (64, 128, 256, 512))
    assert result.comparison.delta.params == extra


def test_squeeze_and_excitation_behind_depthwise_convolutions() -> None:
    net = nn.Sequential(
        nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)
    )
    change = only_change(
        rewrite(net, "squeeze_excite:at=depthwise,reduction=4", input_shape=(1, 8, 5, 5))
    )
    assert change.module == "1"
    assert change.weights == "kept"


def test_a_new_gate_changes_little_at_first() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1))
    result = rewrite(net, "squeeze_excite:at=spatial", input_shape=(1, 8, 5, 5))
    x = torch.randn(2, 8, 5, 5)
    gate = float(torch.sigmoid(torch.tensor(4.0)))
    torch.testing.assert_close(run(result.model, x), gate * run(net, x))


def test_h_swish_replaces_what_it_is_told_to() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU6(inplace=True), nn.ReLU())
    result = rewrite(net, "h_swish", input_shape=(1, 3, 4, 4))
    assert [type(m).__name__ for m in result.model] == ["Conv2d", "Hardswish", "ReLU"]  # type: ignore[union-attr, arg-type]
    both = rewrite(net, "h_swish:of=both", input_shape=(1, 3, 4, 4)).model
    x = torch.randn(1, 3, 4, 4)
    y = run(net[0], x)
    once = y * (y + 3).clamp(0, 6) / 6
    torch.testing.assert_close(run(both, x), once * (once + 3).clamp(0, 6) / 6)


class SharedConv(nn.Module):
    """One convolution under two names, and another called by its function."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(4, 4, 3, padding=1)
        self.b = self.a

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.b(self.a(x))
        return out


def test_a_shared_layer_stays_shared() -> None:
    result = rewrite(SharedConv(), "bottleneck:reduction=1", input_shape=(1, 4, 5, 5))
    assert only_change(result).module == "a"
    assert result.model.a is result.model.b


def test_your_own_rule() -> None:
    class Halve(Rule):
        name = "halve"

        def refusal(self, module: nn.Module) -> str | None:
            return "" if isinstance(module, nn.ReLU) else None

        def replacement(self, module: nn.Module, *, keep_weights: bool) -> Replacement:
            return Replacement(nn.AvgPool2d(2), "new")

    with pytest.raises(ModelError, match="changes the network's outputs"):
        rewrite(nn.Sequential(nn.ReLU()), Halve(), input_shape=(1, 4, 8, 8))


# ---- errors --------------------------------------------------------------------------------------


def test_what_is_skipped_is_named() -> None:
    net = nn.Sequential(
        nn.Conv2d(4, 4, 5, padding=2, padding_mode="reflect"),
        nn.Conv2d(4, 4, 4),
        nn.Conv2d(4, 4, 5, groups=2),
        nn.Conv2d(4, 4, 5),
    )
    result = rewrite(net, "stack3x3", input_shape=(1, 4, 20, 20))
    assert [change.module for change in result.changes] == ["3"]
    assert result.skipped == {
        "0": "padding_mode is 'reflect', not zeros",
        "1": "a 4x4 kernel is no square of odd side",
        "2": "it has 2 groups",
    }
    assert "not changed: 2: it has 2 groups" in str(result)


def test_nothing_to_change() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 1))
    with pytest.raises(UsageError, match=r"finds nothing to change in layer\*"):
        rewrite(net, "stack3x3", only="layer*", input_shape=(1, 4, 5, 5))
    with pytest.raises(UsageError, match="4 and 4 channels do not divide into 3 groups"):
        rewrite(net, "grouped:groups=3", input_shape=(1, 4, 5, 5))


def test_h_swish_says_how_relu_is_replaced() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
    with pytest.raises(UsageError, match="h_swish:of=both"):
        rewrite(net, "h_swish", input_shape=(1, 4, 8, 8))
    assert len(rewrite(net, "h_swish:of=both", input_shape=(1, 4, 8, 8)).changes) == 1


def test_squeeze_excite_says_where_else_it_can_be_put() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 3))
    with pytest.raises(UsageError, match="squeeze_excite:at=spatial"):
        rewrite(net, "squeeze_excite", input_shape=(1, 4, 8, 8))
    result = rewrite(net, "squeeze_excite:at=spatial", input_shape=(1, 4, 8, 8))
    assert len(result.changes) == 1


def test_names_and_options() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 3))
    with pytest.raises(UnknownNameError, match="nearest: asymmetric"):
        rewrite(net, "asymetric", input_shape=(1, 4, 5, 5))
    with pytest.raises(UsageError, match="no setting 'group'"):
        rewrite(net, "grouped:group=2", input_shape=(1, 4, 5, 5))
    with pytest.raises(UsageError, match="is no option"):
        rewrite(net, "grouped:2", input_shape=(1, 4, 5, 5))


def test_every_rule_is_named_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    from steelyard.cli import run as command_line

    assert command_line(["rewrite", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in RULES)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from steelyard.cli import run as command_line

    path = tmp_path / "out.json"
    line = ["rewrite", "resnet20_cifar", "grouped:groups=4", "--only", "layer3.*", "-q"]
    assert command_line([*line, "--json", "-o", str(path)]) == 0
    data = json.loads(path.read_text())
    assert data["schema"] == "steelyard.rewrite/1"
    # the first convolution of a stage and the five others of 64 channels
    first = data["changes"][0]
    assert first["macs"] == {"before": 32 * 64 * 9 * 64, "after": 32 * 64 * 9 * 64 // 4}
    assert command_line(["rewrite", "net.onnx", "shift"]) == 3
    assert command_line(["rewrite", "resnet20_cifar", "grouped", "--input", "3,32"]) == 2
