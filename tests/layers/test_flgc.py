"""Fully learnable group convolution: the straight-through gradient, and equality with the grouped form."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.layers.flgc import FLGConv2d, UnequalGroupConv2d, straight_through


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(0, 9), st.booleans())
@settings(deadline=None, max_examples=60)
def test_grouped_form_is_equal(
    inputs: int, filters: int, groups: int, seed: int, train: bool
) -> None:
    """Also where a group lacks inputs or filters; and a filter sees the inputs of its group only."""
    torch.manual_seed(seed)
    layer = FLGConv2d(
        inputs, filters, groups=groups, kernel_size=3, stride=2, padding=1, bias=True
    ).double()
    layer.train(train)
    of_input, of_filter = (a.tolist() for a in layer.assignment())
    if not set(of_input) & set(of_filter):
        with pytest.raises(UsageError, match="no group has both"):
            layer.to_grouped()
        return
    image = torch.randn(2, inputs, 5, 6, dtype=torch.float64)
    expected = layer(image)
    assert layer.bias is not None
    for f in range(filters):
        seen = [c for c in range(inputs) if of_input[c] == of_filter[f]]
        alone = F.conv2d(
            image[:, seen], layer.weight[f : f + 1, seen], layer.bias[f : f + 1], 2, 1
        ) if seen else layer.bias[f].expand(2, 1, 3, 3)  # fmt: skip
        torch.testing.assert_close(expected[:, f : f + 1], alone)
    grouped = layer.to_grouped()
    torch.testing.assert_close(grouped(image), expected)
    load = sy.capture(grouped.eval(), inputs=(image,))
    sizes = [of_input.count(g) * of_filter.count(g) for g in range(groups)]
    assert load.macs == 2 * 3 * 3 * 9 * sum(sizes)


def test_the_choice_is_exact_and_its_gradient_the_softmax() -> None:
    """Forward 0 or 1, to the last bit; backward d softmax / d values, worked out by hand."""
    torch.manual_seed(0)
    values = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    choice = straight_through(values)
    assert torch.equal(choice, F.one_hot(values.argmax(1), 3).double())
    upstream = torch.randn(5, 3, dtype=torch.float64)
    choice.backward(upstream)
    p = torch.softmax(values.detach(), 1)
    jacobian = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    torch.testing.assert_close(values.grad, (jacobian @ upstream[:, :, None])[..., 0])


def test_training_moves_the_groups() -> None:
    """Two independent halves of the input: the groups that explain the target are found."""
    torch.manual_seed(1)
    layer = FLGConv2d(8, 8, groups=2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.3, momentum=0.9)
    before = [a.clone() for a in layer.assignment()]
    target = FLGConv2d(8, 8, groups=2)
    image = torch.randn(64, 8, 1, 1)
    wanted = target(image).detach()
    losses = []
    for _ in range(150):
        loss = (layer(image) - wanted).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert min(losses) < 0.7 * losses[0]
    assert not all(torch.equal(a, b) for a, b in zip(before, layer.assignment(), strict=True))


def test_eval_computes_what_training_computes() -> None:
    torch.manual_seed(0)
    layer = FLGConv2d(6, 7, groups=3).double()
    image = torch.randn(2, 6, 4, 4, dtype=torch.float64)
    assert torch.equal(layer(image), layer.eval()(image))


def test_lone_inputs_and_filters() -> None:
    """Input 5 and filter 2 are alone in groups 2 and 3: the one is not read, the other gives 0."""
    layer = UnequalGroupConv2d([0, 1, 1, 0, 1, 2], [1, 0, 3, 0, 0])
    assert layer.sources.tolist() == [0, 3, 1, 2, 4]
    assert layer.inputs == [[0, 3], [1, 2, 4]]
    assert layer.filters == [[1, 3, 4], [0]]
    y = layer(torch.randn(1, 6, 2, 2))
    assert torch.all(y[:, 2] == 0)
    assert torch.all(y[:, [0, 1, 3, 4]] != 0)


def test_groups_of_meta_layers_are_unknown() -> None:
    with torch.device("meta"):
        layer = FLGConv2d(4, 4, groups=2)
    with pytest.raises(UsageError, match="flgc8_cifar"):
        layer.to_grouped()
