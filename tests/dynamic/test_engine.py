"""The engine against running everything and choosing afterwards, one image at a time, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from steelyard.dynamic.combined_exits import CombinedExits
from steelyard.dynamic.engine import Engine
from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.dynamic.policies import Confidence, Entropy, Margin, Patience
from steelyard.dynamic.thresholds import Thresholds, scored
from steelyard.dynamic.torch_stages import TorchStages
from steelyard.errors import InputError, ShapeError, UsageError

POLICIES = (Confidence(), Margin(), Entropy(), Patience())


class Sums(nn.Module):
    """Products and sums of each image alone, so that a result does not depend on the batch, to the last bit.

    The state holds the image and a running map, in a nest of all three kinds; `ran` counts images by stage.
    """

    exits = 3

    def __init__(self, classes: tuple[int, ...] = (4, 4, 4)) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.weights = [torch.randn(n, 27, generator=generator) for n in classes]
        self.ran: list[tuple[int, int]] = []

    def begin(self, images):
        return {"image": images.flatten(1), "deep": [(torch.zeros(len(images), 27),)]}

    def advance(self, stage, state):
        self.ran.append((stage, len(state["image"])))
        deep = state["deep"][0][0] + (stage + 1) * state["image"].tanh()
        logits = (deep[:, None] * self.weights[stage]).sum(-1)
        return logits, {"image": state["image"], "deep": [(deep,)]}

    def forward(self, images):
        state, found = self.begin(images), []
        for stage in range(self.exits):
            logits, state = self.advance(stage, state)
            found.append(logits)
        return found


def by_hand(network: Sums, thresholds: Thresholds, image) -> tuple[int, np.ndarray]:
    """Everything computed for one image, its exit looked for afterwards."""
    every = [logits.numpy() for logits in network(image[None])]
    shares = [np.exp(one.astype(float) - one.max()) for one in every]
    shares = [one / one.sum() for one in shares]
    for stage in range(2):
        score = thresholds.policy.score(shares[: stage + 1])[0]
        if score >= thresholds.values[stage]:
            return stage, every[stage][0]
    return 2, every[2][0]


@given(
    policy=st.sampled_from(POLICIES),
    values=st.tuples(*[st.floats(0, 1.6)] * 2),
    count=st.integers(1, 9),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_it_is_as_if_everything_had_been_run(policy, values, count, seed) -> None:
    network = Sums().eval()
    thresholds = Thresholds(policy, values)
    images = torch.randn((count, 3, 3, 3), generator=torch.Generator().manual_seed(seed)) / 4
    expected = [by_hand(network, thresholds, image) for image in images]
    network.ran.clear()
    found = Engine(TorchStages(network), thresholds, costs=(1.0, 2.5, 7.0)).run(images)
    assert found.exits.tolist() == [exit for exit, _ in expected]
    assert np.array_equal(found.logits, np.stack([logits for _, logits in expected]))
    assert found.costs.tolist() == [(1.0, 2.5, 7.0)[exit] for exit, _ in expected]
    # each stage ran on exactly the images that had not left before it, and not at all where there were none
    remaining = [int((found.exits >= stage).sum()) for stage in range(3)]
    assert found.computed == tuple(remaining)
    assert network.ran == [(stage, n) for stage, n in enumerate(remaining) if n]
    assert sum(found.histogram()) == count


@given(
    policy=st.sampled_from(POLICIES),
    temperatures=st.sampled_from([(), (0.5, 1.0, 2.0)]),
    weights=st.sampled_from([None, ((0.7,), (0.2, 0.9), (-0.1, 0.3, 1.1))]),
    seed=st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_decisions_are_those_on_whole_arrays(policy, temperatures, weights, seed) -> None:
    network = Sums().eval() if weights is None else CombinedExits(Sums(), weights).eval()
    images = torch.randn((40, 3, 3, 3), generator=torch.Generator().manual_seed(seed)) / 4
    with torch.inference_mode():
        every = np.stack([logits.numpy() for logits in network(images)])
    outputs = ExitOutputs.of(every, np.zeros(40, dtype=np.int64))
    middle = np.median(scored(policy, outputs, temperatures)[:-1], axis=1)
    thresholds = Thresholds(policy, tuple(middle.tolist()), temperatures)
    expected = thresholds.decide(outputs)
    engine = Engine(TorchStages(network), thresholds)
    for batch in (1, 3, 40):
        found = [engine.run(part) for part in images.split(batch)]
        assert np.concatenate([one.exits for one in found]).tolist() == expected.tolist()
        chosen = np.concatenate([one.logits for one in found])
        assert np.array_equal(chosen, every[expected, np.arange(40)])
        assert all(one.logits.dtype == np.float32 for one in found)


@pytest.mark.parametrize(("values", "exit"), [((-math.inf, 0.5), 0), ((math.inf, -math.inf), 1), ((math.inf, math.inf), 2)])  # fmt: skip
def test_all_leave_at_once_or_never(values, exit) -> None:
    network = Sums().eval()
    found = Engine(TorchStages(network), Thresholds(Confidence(), values)).run(
        torch.ones(5, 3, 3, 3)
    )
    assert found.exits.tolist() == [exit] * 5
    assert [stage for stage, _ in network.ran] == list(range(exit + 1))
    assert found.costs is None


def test_patience_sees_the_history_of_the_images_that_stayed() -> None:
    # the exits of image 0 agree at once, those of image 1 never, those of image 2 from exit 2 on
    chosen = torch.tensor([[0, 0, 0], [0, 1, 0], [1, 2, 2]])

    class Says(nn.Module):
        exits = 3

        def begin(self, images):
            return images

        def advance(self, stage, state):
            return 9 * nn.functional.one_hot(state[:, stage], 3).float(), state

        def forward(self, images):
            return [self.advance(stage, images)[0] for stage in range(3)]

    found = Engine(TorchStages(Says().eval()), Thresholds(Patience(), (2.0, 2.0))).run(chosen)
    assert found.exits.tolist() == [1, 2, 2]
    assert found.classes.tolist() == [0, 0, 2]


def test_a_convolutional_network_decides_alike_and_differs_by_rounding_only() -> None:
    # kernels for another number of images may add in another order: hence the tolerance
    from steelyard.zoo.registry import create

    torch.manual_seed(0)
    network = create("msdnet4_budgeted_cifar", num_classes=10, in_channels=1, resolution=16, channels=8, growth=4, classifier_channels=32).eval()  # fmt: skip
    images = torch.randn(12, 1, 16, 16)
    with torch.inference_mode():
        every = torch.stack(list(network(images))).numpy()
    best = np.exp(every) / np.exp(every).sum(-1, keepdims=True)
    middle = np.median(best.max(-1), axis=1)[:3]
    stages = TorchStages(network)
    found = Engine(stages, Thresholds(Confidence(), tuple(middle + 1e-4))).run(images)
    sure = best.max(-1)[:3] >= (middle + 1e-4)[:, None]
    expected = np.where(sure.any(0), sure.argmax(0), 3)
    assert found.exits.tolist() == expected.tolist()
    assert np.allclose(found.logits, every[expected, np.arange(12)], atol=1e-5)
    assert len(set(expected.tolist())) > 1


def test_what_is_no_number_is_refused() -> None:
    stages = TorchStages(Sums().eval())
    images = torch.ones(2, 3, 3, 3)
    images[1, 0, 0, 0] = math.nan
    for some in (images, images[1:]):  # one image goes another way
        with pytest.raises(InputError, match="logits of exit 1 are not finite"):
            Engine(stages, Thresholds(Confidence(), (0.5, 0.5))).run(some)
    with pytest.raises(InputError, match="no image in the batch"):
        Engine(stages, Thresholds(Confidence(), (0.5, 0.5))).run(images[:0])


def test_a_policy_that_gives_no_number_is_refused() -> None:
    class Lost:
        name = "lost"

        def score(self, history):
            return np.full(len(history[-1]), math.nan)

        def to_dict(self):
            return {"name": self.name}

    engine = Engine(TorchStages(Sums().eval()), Thresholds(Lost(), (0.5, 0.5)))
    for count in (1, 2):
        with pytest.raises(InputError, match="policy lost scores an image at exit 1 with NaN"):
            engine.run(torch.ones(count, 3, 3, 3))


def test_what_does_not_fit_is_refused() -> None:
    network = Sums().eval()
    with pytest.raises(UsageError, match="thresholds for 2 exits and a network with 3"):
        Engine(TorchStages(network), Thresholds(Confidence(), (0.5,)))
    fine = Thresholds(Confidence(), (math.inf, 0.5), model="a" * 64)
    with pytest.raises(InputError, match="solved for another network"):
        Engine(TorchStages(network, fingerprint="b" * 64), fine)
    with pytest.raises(UsageError, match=r"costs of shape \(2,\)"):
        Engine(TorchStages(network), fine, costs=(1.0, 2.0))
    odd = Engine(TorchStages(Sums((4, 5, 4)).eval()), fine)
    for count in (1, 2):
        with pytest.raises(ShapeError, match="exit 2 has logits of shape"):
            odd.run(torch.ones(count, 3, 3, 3))
    with pytest.raises(UsageError, match="training mode"):
        TorchStages(Sums())
    with pytest.raises(UsageError, match="cannot be run exit by exit"):
        TorchStages(nn.Linear(2, 2))
