"""DARTS: its second order against exact second derivatives, mixed cells against ordinary ones, and what is derived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from random import Random

import pytest
import torch
from tests.design.sharing.tiny import darts, images, recipe
from torch import Tensor

import steelyard as sy
from steelyard.cost import cost
from steelyard.design.sharing import Darts, SharedCells, derive
from steelyard.design.sharing.cells import full_graph
from steelyard.design.sharing.darts import shares
from steelyard.design.sharing.data import Endless
from steelyard.design.sharing.expected_cost import expected_cost
from steelyard.design.sharing.second_order import architecture_gradient, first_order


def test_the_second_order_is_the_exact_derivative_through_a_step_of_the_weights() -> None:
    """Eq. 6, differentiated by autograd through w - xi grad_w L_train(w, a); eq. 8 comes as near as e is small."""
    dice = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=dice, dtype=torch.float64)

    xs, ys = {"train": drawn(20, 3), "held": drawn(20, 3)}, {"train": drawn(20), "held": drawn(20)}

    def loss(which: str) -> object:
        def of(w: Mapping[str, Tensor], a: Sequence[Tensor]) -> Tensor:
            hidden = xs[which] @ w["first"]
            mixed = a[0].softmax(0)
            acted = mixed[0] * hidden.tanh() + mixed[1] * hidden.sin() + mixed[2] * hidden
            return ((acted @ w["second"] - ys[which]) ** 2).mean() + 0.1 * (a[1] ** 2).sum()

        return of

    train, held = loss("train"), loss("held")
    weights = {"first": drawn(3, 4), "second": drawn(4)}
    alphas = [drawn(3).requires_grad_(), drawn(2).requires_grad_()]
    xi = 0.3
    leaves = {name: w.clone().requires_grad_() for name, w in weights.items()}
    slopes = torch.autograd.grad(train(leaves, alphas), list(leaves.values()), create_graph=True)
    there = {n: w - xi * g for (n, w), g in zip(leaves.items(), slopes, strict=True)}
    exact = torch.autograd.grad(held(there, alphas), alphas)

    def ahead(slopes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: weights[name] - xi * slope for name, slope in slopes.items()}

    errors = []
    for near in (1e-1, 1e-3):
        found = architecture_gradient(train, held, weights, alphas, ahead=ahead, rate=xi, near=near)
        errors.append(max(float((a - b).abs().max()) for a, b in zip(found, exact, strict=True)))
    assert errors[1] < 1e-7
    assert errors[1] < errors[0] / 100  # a central difference: of the second power of e
    found = architecture_gradient(train, held, weights, alphas, ahead=ahead, rate=xi, near=0)
    assert max(float((a - b).abs().max()) for a, b in zip(found, exact, strict=True)) < 1e-14
    first = first_order(held, weights, alphas)
    assert max(float((a - b).abs().max()) for a, b in zip(first, exact, strict=True)) > 1e-2


@pytest.mark.parametrize("nesterov", [True, False])
def test_cells_learn_along_the_exact_gradient_with_momentum_and_decay(nesterov: bool) -> None:
    """A real mixed network in double precision; the exact one differentiates through SGD's own rule.

    With near=0: across the kinks of rectifiers and maxima no difference would do.
    """
    torch.set_default_dtype(torch.float64)
    try:
        given = recipe()
        given = replace(given, optimizer=replace(given.optimizer, nesterov=nesterov))
        torch.manual_seed(0)
        shared = SharedCells(darts(), learnt_norms=False)
        pupil = Darts(shared, given, order=2, near=0, rate=0.0)
        data = images(0.5)
        held, batch = Endless(data.held), next(iter(data.train.epoch(0)))
        held_batch = held[0]
        batch, held_batch = (
            replace(one, images=one.images[:32].double(), labels=one.labels[:32])
            for one in (batch, held_batch)
        )
        pupil.step(batch, [held_batch], 0, 0.05)  # type: ignore[arg-type]
        weights = {n: p.detach().clone() for n, p in pupil.mixture.named_parameters()}
        kept = {
            n: pupil.optimizer.state[p]["momentum_buffer"].clone()
            for n, p in pupil.mixture.named_parameters()
        }
        alphas = [a.detach().clone().requires_grad_() for a in pupil.alphas.values()]
        train, judge = pupil._loss(batch), pupil._loss(held_batch)
        leaves = {n: w.clone().requires_grad_() for n, w in weights.items()}
        slopes = torch.autograd.grad(
            train(leaves, alphas), list(leaves.values()), create_graph=True, materialize_grads=True
        )
        there = {}
        for (name, w), slope in zip(leaves.items(), slopes, strict=True):
            decayed = slope + 1e-3 * w
            gathered = 0.9 * kept[name] + decayed
            there[name] = w - 0.05 * (decayed + 0.9 * gathered if nesterov else gathered)
        exact = torch.autograd.grad(judge(there, alphas), alphas)
        pupil.step(batch, [None, held_batch], 1, 0.05)  # type: ignore[arg-type, list-item]
        for alpha, expected in zip(pupil.alphas.values(), exact, strict=True):
            assert alpha.grad is not None
            torch.testing.assert_close(alpha.grad, expected, rtol=1e-6, atol=1e-9)
        for name, moved in pupil.mixture.named_parameters():  # where it looked, the alphas resting
            torch.testing.assert_close(moved, there[name])
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_mixture_of_single_operations_is_the_ordinary_network() -> None:
    """And any network taken out computes the same, bit for bit."""
    torch.manual_seed(0)
    shared, random = SharedCells(darts()).train(), Random(1)
    x = torch.randn(4, 1, 8, 8)
    for _ in range(4):
        point = shared.space.sample(random)
        picked = shared.picked(point)
        one = torch.ones(())
        mixed = {k: [[(n, one) for n, _ in step] for step in steps] for k, steps in picked.items()}
        ordinary = shared.extract(point).train()(x)
        assert torch.equal(shared(x, point), ordinary)
        assert torch.equal(shared.mixed(x, mixed), ordinary)


def test_what_is_derived_has_the_strongest_edges_and_operations() -> None:
    """Sec. 2.4, by brute force: the two edges whose best operations are strongest; none never counts."""
    space = darts()
    dice = torch.Generator().manual_seed(3)
    for _ in range(20):
        tables = [torch.randn(5, 4, generator=dice).softmax(1) for _ in range(2)]
        values = space.values(derive(space, tables))
        for kind, table in zip(("normal", "reduction"), tables, strict=True):
            for step, first_row in ((0, 0), (1, 2)):
                rows = table[first_row : first_row + step + 2, :3].tolist()
                edges = [
                    ((s, a), (t, b))
                    for s, t in combinations(range(len(rows)), 2)
                    for a, b in product(range(3), repeat=2)
                ]
                best = max(edges, key=lambda e: sum(rows[s][o] for s, o in e))
                assert values[f"{kind}.{step}.states"] == (best[0][0], best[1][0])
                sides = (values[f"{kind}.{step}.first"], values[f"{kind}.{step}.second"])
                assert sides == tuple(space.operations[o] for _, o in best)


def test_the_expected_cost_is_the_costs_weighed_and_pulls_towards_what_is_free() -> None:
    """Of the operations captured within the whole network, one at a time."""
    shared = SharedCells(darts(), learnt_norms=False)
    found = expected_cost(shared, lambda load: float(cost(load).total.macs))
    load = sy.capture(shared.network, input_shape=(2, 1, 8, 8))
    edges = [e for step in full_graph(darts()).steps for e in step]
    for kind, cells in (("normal", ("0",)), ("reduction", ("1", "2"))):
        table = found.tables[kind].flatten().tolist()
        numbers = [
            (i, j) for i, step in enumerate(full_graph(darts()).steps) for j in range(len(step))
        ]
        for (i, j), (op, _), told in zip(numbers, edges, table, strict=True):
            if op != "sep_conv_3x3":
                continue
            prefixes = tuple(f"chain.cells.{c}.edges.{i}.{j}." for c in cells)
            macs = sum(layer.macs for layer in load.layers if layer.module.startswith(prefixes))
            assert told == macs / 2  # of one image
    alphas = [torch.zeros(5, 4, requires_grad=True) for _ in range(2)]
    expected = found(shares(alphas))
    assert expected.item() == pytest.approx(3 / 4)  # a quarter is no connection
    expected.backward()  # type: ignore[no-untyped-call]
    assert alphas[0].grad is not None
    assert (alphas[0].grad[:, 0] > 0).all()  # the separable convolution costs
    assert (alphas[0].grad[:, 1] < 0).all()  # pooling does not
