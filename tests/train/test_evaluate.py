"""`evaluate` on real data beside a plain loop and scikit-learn; several outputs, shards, states left alone, mistakes."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from sklearn import metrics
from torch import Tensor, nn

import steelyard as sy
from steelyard.data.registry import load_data
from steelyard.errors import BackendError, InputError, ModelError, ShapeError, UsageError
from steelyard.train.evaluate import evaluate, named_logits
from steelyard.train.evaluation import merge
from steelyard.train.subject import weights_digest


def network(classes: int = 10) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, classes)
    )


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """Some 90 % right, so that all figures say something."""
    net, data = network(), load_data("digits", "train")
    images = (data.images.float() / 255 - 0.3) / 0.38
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), data.labels).backward()
        optimizer.step()
    return net


def test_beside_a_plain_loop_and_scikit_learn(trained: nn.Module) -> None:
    data = load_data("digits")
    found = evaluate(trained, data="digits", transforms=["normalize:mean=0.3,std=0.38"], batch=100)
    trained.eval()
    with torch.no_grad():
        logits = trained((data.images.float() / 255 - 0.3) / 0.38)
    theirs = metrics.classification_report(data.labels, logits.argmax(1), output_dict=True)
    assert found.samples == 360
    assert 60 < found.top1 < 100
    assert found.top1 == pytest.approx(100 * theirs["accuracy"])
    assert found.output.mean_recall == pytest.approx(100 * theirs["macro avg"]["recall"])
    assert found.top5 == pytest.approx(100 * metrics.top_k_accuracy_score(data.labels, logits, k=5))
    assert found.loss == pytest.approx(
        float(nn.functional.cross_entropy(logits, data.labels)), rel=1e-5
    )
    assert found.about.fingerprint == data.fingerprint
    assert found.about.preprocessing == "normalize: (pixel / 255 - mean) / std, mean 0.3, std 0.38"


def test_what_is_evaluated_is_left_as_it_was(trained: nn.Module) -> None:
    trained.train()
    trained[1].eval()
    state = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    torch.manual_seed(7)
    before = torch.get_rng_state()
    evaluate(trained, data="digits")
    assert [module.training for module in trained] == [True, False, True, True, True]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(tensor, state[name]) for name, tensor in trained.state_dict().items())


@pytest.mark.parametrize("parts", [2, 7])
def test_shards_are_the_whole_to_the_last_bit(trained: nn.Module, parts: int) -> None:
    whole = evaluate(trained, data="digits", batch=25)
    shards = [evaluate(trained, data="digits", batch=25, shard=(i, parts)) for i in range(parts)]
    assert shards[0].notes[0].endswith("of the 360 samples were evaluated")
    joined = merge(shards[::-1])
    assert joined.output.scores.indices.tolist() == list(range(360))
    assert joined.to_dict() == whole.to_dict()


def test_every_exit_of_an_msdnet() -> None:
    torch.manual_seed(0)
    net = sy.create("msdnet4_budgeted_cifar", num_classes=10, in_channels=1, width=0.25).eval()
    data = load_data("digits")
    found = evaluate(net, data="digits", transforms=["resize:32", "normalize"], batch=64)
    assert [one.name for one in found.outputs] == [f"exit {i}" for i in range(1, 5)]
    assert found.output.name == "exit 4"
    shown = nn.functional.interpolate(data.images, 32, mode="bilinear", antialias=True)
    with torch.inference_mode():
        logits = net((shown.float() / 255 - 0.3053) / 0.3761)
    for one, own in zip(found.outputs, logits, strict=True):
        assert one.loss == pytest.approx(
            float(nn.functional.cross_entropy(own, data.labels)), rel=1e-3
        )


class Outputs(NamedTuple):
    logits: Tensor
    aux: Tensor | None


def test_what_networks_may_return() -> None:
    a, b = torch.zeros(1, 2), torch.ones(1, 2)
    assert named_logits(a) == ([("", a)], 0)
    assert named_logits(Outputs(a, b)) == ([("logits", a), ("aux", b)], 0)
    assert named_logits(Outputs(a, None)) == ([("logits", a)], 0)
    assert named_logits({"logits": a}) == ([("logits", a)], 0)
    assert named_logits([a, b]) == ([("exit 1", a), ("exit 2", b)], 1)
    for odd in (3, (), (a, "b")):
        with pytest.raises(InputError, match="holds no logits"):
            named_logits(odd)


def test_bfloat16_is_close_and_said(trained: nn.Module) -> None:
    exact = evaluate(trained, data="digits")
    found = evaluate(trained, data="digits", precision="bf16")
    assert found.about.precision == "bf16"
    assert found.top1 == pytest.approx(exact.top1, abs=3)
    assert found.loss != exact.loss


def test_the_digest_of_weights_sees_every_bit_and_no_order() -> None:
    net = network()
    digest = weights_digest(net)
    assert weights_digest(net.to(memory_format=torch.channels_last)) == digest
    with torch.no_grad():
        net[0].bias[3] += 1e-7
    assert weights_digest(net) != digest
    net[1].running_mean[0] = 1.0
    assert len({weights_digest(net), digest}) == 2


class Wrong(nn.Module):
    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> Tensor:
        if self.what == "memory":
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory")
        if self.what == "raise":
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        out = x.flatten(1)[:, :10].clone()
        if self.what == "nan":
            out[5, 3] = float("nan")
        return out[:, :, None] if self.what == "rank" else out


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        ("nan", InputError, "the logits of sample 5 are NaN"),
        ("raise", ModelError, r"raised on a batch of shape \(256, 1, 8, 8\): mat1 and mat2"),
        ("memory", BackendError, r"not enough memory .*\n.*--batch 128"),
        ("rank", ShapeError, r"returns \(256, 10, 1\)"),
    ],
)
def test_networks_that_fail(what: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        evaluate(Wrong(what), data="digits")


def test_mistakes(trained: nn.Module) -> None:
    with pytest.raises(InputError, match="the network has 7 classes, and digits 10") as error:
        evaluate(network(7), data="digits")
    assert "num_classes=10" in str(error.value)
    with pytest.raises(UsageError, match="has no values yet"):
        evaluate(nn.LazyLinear(10), data="digits")
    with pytest.raises(UsageError, match="no data to evaluate on"):
        evaluate(trained)
    with pytest.raises(UsageError, match="from 0 to n - 1"):
        evaluate(trained, data="digits", shard=(2, 2))
    with pytest.raises(UsageError, match="that has its own"):
        evaluate(trained, data="digits", weights="a.pt")
    with pytest.raises(UsageError, match="precision='int4'"):
        evaluate(trained, data="digits", precision="int4")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no published weights are known for lenet5"):
        evaluate("lenet5", data="digits")
