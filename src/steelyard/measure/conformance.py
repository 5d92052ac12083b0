"""`BackendContract`: a pytest class that any backend must pass; derive from it and say which backend.

::

    class TestMine(BackendContract):
        backend = MyBackend()

A backend whose ``missing()`` says something is skipped with that reason.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from steelyard.errors import SteelyardError
from steelyard.measure.backend import TOLERANCE, Backend, Program, Runner, Setting
from steelyard.measure.program import deviation, reference


class _Net(nn.Module):
    """Two convolutions, one of them depthwise, normalisation with statistics, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.head = nn.Linear(8, 5)
        generator = torch.Generator().manual_seed(1)
        self.norm.running_mean = torch.randn(8, generator=generator)
        self.norm.running_var = torch.rand(8, generator=generator) + 0.5

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = torch.relu(self.depthwise(torch.relu(self.norm(self.stem(x)))))
        return self.head(maps.mean((2, 3))), maps


class BackendContract:
    """What the module docstring of `steelyard.measure.backend` promises, held against a small network."""

    backend: ClassVar[Backend]
    options: ClassVar[tuple[str, ...]] = ()
    """Asked of the backend in every test."""

    batch: ClassVar[int] = 2
    """Samples in an inference."""

    @pytest.fixture(autouse=True)
    def _usable(self) -> None:
        if reason := self.backend.missing():
            pytest.skip(reason)

    @pytest.fixture(scope="class")
    @classmethod
    def program(cls) -> Iterator[Program]:
        """A network and its inputs."""
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            yield Program("net", _Net().eval(), (torch.randn(cls.batch, 3, 17, 19),), Path(folder))

    @pytest.fixture
    def setting(self) -> Setting:
        """The backend with the options of the class."""
        return Setting(self.backend.name, self.options)

    @pytest.fixture
    def runner(self, program: Program, setting: Setting) -> Iterator[Runner]:
        """The network loaded."""
        made = self.backend.load(program, setting)
        yield made
        made.close()

    def test_it_follows_the_protocol(self) -> None:
        """Names, titles and options are there."""
        assert isinstance(self.backend, Backend)
        assert self.backend.name.isidentifier()
        assert self.backend.title
        assert all(key and meaning for key, meaning in self.backend.options.items())

    def test_outputs_are_the_references(
        self, program: Program, setting: Setting, runner: Runner
    ) -> None:
        """All of them, in order, in float32, within the precision's tolerance."""
        runner.run()
        found = runner.outputs()
        assert all(array.dtype == np.float32 for array in found)
        assert deviation(found, reference(program)) <= TOLERANCE[setting.precision]

    def test_runs_repeat(self, runner: Runner) -> None:
        """The same inputs give the same outputs, which are copies."""
        runner.run()
        first = runner.outputs()
        kept = [array.copy() for array in first]
        runner.run()
        again = runner.outputs()
        assert all(map(np.array_equal, first, kept))
        assert deviation(again, first) <= 1e-5

    def test_the_program_is_left_alone(self, program: Program, setting: Setting) -> None:
        """Weights, mode and inputs."""
        assert program.model is not None
        before = copy.deepcopy(program.model.state_dict())
        inputs = program.inputs[0].clone()
        made = self.backend.load(program, setting)
        made.run()
        made.close()
        assert not program.model.training
        assert torch.equal(program.inputs[0], inputs)
        after = program.model.state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before)
        assert list(before) == list(after)

    def test_it_says_what_ran(self, runner: Runner) -> None:
        """A sentence a user can judge by."""
        assert any(letter.isdigit() for letter in runner.ran)

    def test_closing_twice_is_fine(self, program: Program, setting: Setting) -> None:
        """The second call does nothing."""
        made = self.backend.load(program, setting)
        made.close()
        made.close()

    def test_what_cannot_be_loaded_is_an_error_of_ours(
        self, program: Program, setting: Setting
    ) -> None:
        """No foreign exception escapes."""
        nothing = Program("nothing", None, program.inputs, program.folder)
        with pytest.raises(SteelyardError):
            self.backend.load(nothing, setting)
