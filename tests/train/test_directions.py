"""Directions: norms of filters, seeds, the way between two networks, and principal components beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from steelyard.errors import InputError, UsageError
from steelyard.train.directions import (
    difference,
    principal_plane,
    random_direction,
    weights_of,
)


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(24, 5)
    )


def test_each_filter_has_the_norm_of_the_network_s_own() -> None:
    weights = weights_of(network())
    weights["0.weight"][2] = 0  # a filter that was pruned is not moved
    found = random_direction(weights, 3)
    for name in ("0.weight", "3.weight"):
        for ours, own in zip(found[name], weights[name], strict=True):
            assert float(ours.norm()) == pytest.approx(float(own.norm()), rel=1e-14)
    assert not found["0.weight"][2].any()
    assert not found["1.weight"].any()
    assert not found["3.bias"].any()


def test_vectors_may_be_moved_number_by_number() -> None:
    weights = weights_of(network())
    found = random_direction(weights, 3, vectors=True)
    for name in ("1.weight", "3.bias"):
        torch.testing.assert_close(found[name].abs(), weights[name].abs())


def test_layers_and_no_normalisation() -> None:
    weights = weights_of(network())
    layer = random_direction(weights, 3, normalise="layer")["0.weight"]
    assert float(layer.norm()) == pytest.approx(float(weights["0.weight"].norm()), rel=1e-14)
    plain = random_direction(weights, 3, normalise="none")["3.weight"]
    assert float(plain.norm()) == pytest.approx(120**0.5, rel=0.2)
    with pytest.raises(UsageError, match="normalise='row'"):
        random_direction(weights, 3, normalise="row")  # type: ignore[arg-type]


def test_a_seed_is_a_direction_and_two_are_nearly_at_right_angles() -> None:
    weights = weights_of(network())
    flat = [random_direction(weights, s)["3.weight"].reshape(-1) for s in (1, 1, 2)]
    assert torch.equal(flat[0], flat[1])
    assert abs(float(torch.cosine_similarity(flat[0], flat[2], dim=0))) < 0.3


def test_scaling_a_filter_scales_its_direction() -> None:
    # what normalisation is for: networks whose weights differ by a factor look alike
    weights = weights_of(network())
    larger = {name: 10 * w for name, w in weights.items()}
    a, b = random_direction(weights, 0), random_direction(larger, 0)
    torch.testing.assert_close(10 * a["0.weight"], b["0.weight"])


def test_the_way_to_another_network_ends_there() -> None:
    a, b = network(0).state_dict(), network(1).state_dict()
    found = difference(a, b)
    assert "1.running_mean" in found
    assert "1.num_batches_tracked" not in found
    for name, way in found.items():
        assert torch.equal((a[name].double() + way).float(), b[name])
    with pytest.raises(InputError, match=r"'3\.bias' is in one of them only"):
        difference(a, {name: w for name, w in b.items() if name != "3.bias"})


def test_principal_components_beside_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    base, axes = rng.normal(size=300), rng.normal(size=(2, 300))
    path = [base + t * axes[0] + 0.3 * t * t * axes[1] for t in (3.0, 2.0, 1.5, 0.7, 0.2, 0)]
    states = [{"w": torch.tensor(p).view(20, 15), "b": torch.ones(3)} for p in path]
    found = principal_plane(states)
    rows = np.array([p - path[-1] for p in path[:-1]])
    # about the last state, not about the mean: the negatives beside the rows make the mean 0
    theirs = PCA(2).fit(np.concatenate([rows, -rows]))
    for ours, other in zip((found.first, found.second), theirs.components_, strict=True):
        flat = ours["w"].reshape(-1).numpy()
        assert abs(flat @ other) == pytest.approx(np.linalg.norm(flat), rel=1e-9)
        assert not ours["b"].any()
    assert found.shares == pytest.approx(tuple(theirs.explained_variance_ratio_), rel=1e-9)
    # a way in a plane is found again from its coordinates
    for (x, y), row in zip(found.places, [*rows, np.zeros(300)], strict=True):
        again = x * found.first["w"] + y * found.second["w"]
        np.testing.assert_allclose(again.reshape(-1).numpy(), row, atol=1e-6)
    assert max(abs(n) for place in found.places for n in place) == pytest.approx(1)


def test_ways_that_span_no_plane() -> None:
    states = [{"w": torch.full((4, 4), float(t))} for t in (3, 2, 1, 0)]
    with pytest.raises(InputError, match="lie on one line"):
        principal_plane(states)
    with pytest.raises(InputError, match="2 states"):
        principal_plane(states[:2])
