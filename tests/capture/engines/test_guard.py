"""Analysing a network leaves it, and the process, exactly as they were, whatever happens on the way."""

from __future__ import annotations

import copy
import gc
import random
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import steelyard as sy
from steelyard.errors import ModelError


class Careless(nn.Module):
    """Does everything to itself that a forward should not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("count", torch.zeros(()))
        self.plain = torch.ones(4)
        self.seen: list[Any] = []
        self.cache: dict[str, Any] = {"first": 1}
        self.calls = 0
        self.then: Callable[[], None] = lambda: None

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.count += 1
        self.plain.mul_(2)
        self.seen.append(x)
        self.cache["x"] = x
        self.extra = nn.Linear(2, 2)
        self.conv.weight.mul_(0.5)
        self.drop.p = 0.9
        self.norm.register_forward_hook(lambda *_: None)
        self.conv.weight.requires_grad_(False)
        torch.rand(3)
        random.random()
        np.random.rand()
        y = self.drop(self.norm(self.conv(x)))
        self.norm.eval()
        self.then()
        return y


def state(model: nn.Module) -> dict[str, Any]:
    """Everything about a network that could change, by value or by identity."""
    found: dict[str, Any] = {}
    for path, module in model.named_modules():
        found[f"{path}|keys"] = list(module.__dict__)
        found[f"{path}|training"] = module.training
        found[f"{path}|class"] = type(module)
        for name, value in module.__dict__.items():
            key = f"{path}|{name}"
            if isinstance(value, Tensor):
                found[key] = (id(value), value.clone(), value.requires_grad)
            elif isinstance(value, dict):
                found[key] = [(k, id(v)) for k, v in value.items()]
            elif isinstance(value, (list, set)):
                found[key] = list(value)
            else:
                found[key] = value
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if tensor is not None:
                found[f"{path}|{name}|tensor"] = (
                    id(tensor), tensor.clone(), tensor._version, tensor.requires_grad, tensor.grad,
                )  # fmt: skip
    return found


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert list(before) == list(after)
    for key, value in before.items():
        if isinstance(value, tuple) and any(isinstance(part, Tensor) for part in value):
            for old, new in zip(value, after[key], strict=True):
                same = torch.equal(old, new) if isinstance(old, Tensor) else old == new
                assert same, key
        else:
            assert value == after[key], key


def random_state() -> tuple[Any, ...]:
    return (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist())


@pytest.mark.parametrize("method", ["shapes", "meta", "values", "auto"])
@pytest.mark.parametrize("training", [False, True, None])
def test_the_network_is_left_alone(method: Any, training: bool | None) -> None:
    model = Careless()
    model.norm.eval()  # modes differ between submodules
    call, before, chance = nn.Module.__call__, state(model), random_state()
    sy.capture(model, inputs=torch.ones(1, 3, 8, 8), training=training, method=method)
    assert_same(before, state(model))
    assert random_state() == chance
    assert nn.Module.__call__ is call
    assert gc.isenabled()


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3), MemoryError()]
)
def test_also_after_a_failure(error: BaseException) -> None:
    def fail() -> None:
        raise error

    model = Careless()
    model.then = fail
    call, before, chance = nn.Module.__call__, state(model), random_state()
    expected = ModelError if isinstance(error, Exception) else type(error)
    with pytest.raises(expected):
        sy.capture(model, input_shape=(1, 3, 8, 8))
    assert_same(before, state(model))
    assert random_state() == chance
    assert nn.Module.__call__ is call


def test_also_after_ctrl_c_at_any_moment() -> None:
    """An interrupt as Ctrl-C raises it, from a signal handler, after ever longer delays."""
    model = Careless()
    call, before = nn.Module.__call__, state(model)
    sy.capture(model, input_shape=(1, 3, 8, 8))  # whatever is imported on the way
    inside = False
    interrupted = 0

    def interrupt(*_: object) -> None:
        if inside:
            raise KeyboardInterrupt

    handler = signal.signal(signal.SIGALRM, interrupt)
    gc.freeze()  # what the tests before left would be looked through with every step
    try:
        for step in range(1, 80, 3):
            signal.setitimer(signal.ITIMER_REAL, step * 1e-4)
            try:
                inside = True
                for _ in range(4):
                    sy.capture(model, input_shape=(1, 3, 8, 8))
                inside = False
            except KeyboardInterrupt:
                inside = False
                interrupted += 1
            gc.collect()  # what an exception's frames held is gone, its finalisers have run
            assert torch._C._len_torch_function_stack() == 0
            assert torch._C._len_torch_dispatch_stack() == 0
            assert nn.Module.__call__ is call
            assert_same(before, state(model))
            assert gc.isenabled()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        gc.unfreeze()
    assert interrupted > 8


def test_example_inputs_are_not_written_to() -> None:
    class InPlace(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.add_(1).relu_()

    for method in ("shapes", "meta", "values"):
        x = torch.full((2, 3), -1.0)
        sy.capture(InPlace(), inputs=x, method=method)  # type: ignore[arg-type]
        assert torch.equal(x, torch.full((2, 3), -1.0))


def test_threads_take_turns_and_other_threads_run_on() -> None:
    model, other = Careless(), nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    expected = copy.deepcopy(other)(torch.ones(2, 4))
    results: list[Any] = []

    def run() -> None:
        results.extend(torch.equal(other(torch.ones(2, 4)), expected) for _ in range(20))

    def analyse() -> None:
        shape = (1, 3, 8, 8)
        results.extend(sy.capture(model, input_shape=shape).macs == 4 * 36 * 27 for _ in range(10))

    threads = [threading.Thread(target=task) for task in (run, analyse, analyse)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 40
    assert all(results)


def test_a_call_of_modules_that_somebody_exchanged() -> None:
    """Another tool's function stands in for ``nn.Module.__call__``, with a closure of its own."""
    original, seen = nn.Module.__call__, []

    def watched(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        seen.append(type(self))
        return original(self, *args, **kwargs)

    nn.Module.__call__ = watched  # type: ignore[method-assign]
    try:
        assert sy.capture(nn.Linear(3, 2), input_shape=(1, 3)).macs == 6
        assert nn.Module.__call__ is watched
    finally:
        nn.Module.__call__ = original  # type: ignore[method-assign]
    nn.Linear(3, 2)(torch.ones(1, 3))
    assert seen == []


def test_a_capture_within_a_capture() -> None:
    class Weighs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            assert sy.capture(nn.Linear(3, 5), input_shape=(1, 3)).macs == 15
            result: Tensor = self.inner(x)
            return result

    code, keywords = nn.Module.__call__.__code__, nn.Module.__call__.__kwdefaults__
    load = sy.capture(Weighs(), input_shape=(1, 3), method="shapes")
    assert load.layer("inner").macs == load.macs == 6
    assert nn.Module.__call__.__code__ is code
    assert nn.Module.__call__.__kwdefaults__ is keywords


def test_hooks_and_tensors_of_pytorchs_own_classes_are_put_back() -> None:
    class Replaces(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.conv.scale = torch.ones(2)  # a plain attribute

        def forward(self, x: Tensor) -> Tensor:
            self.conv.scale = x
            self.conv.register_forward_hook(lambda *_: None)
            self.conv._buffers["mean"] = x
            result: Tensor = self.conv(x)
            return result

    model = Replaces()
    before = state(model)
    for method in ("shapes", "meta", "values"):
        load = sy.capture(model, input_shape=(1, 3, 8, 8), method=method)  # type: ignore[arg-type]
        assert_same(before, state(model))
        assert [layer.name for layer in load.layers] == ["conv"]
