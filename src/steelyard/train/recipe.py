"""What a recipe says: network, data, optimiser, schedule and all else that decides how training goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from steelyard.errors import UsageError
from steelyard.zoo.config import make, setting

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "DataPart",
    "EmaPart",
    "LossPart",
    "NetworkPart",
    "OptimizerPart",
    "Recipe",
    "SchedulePart",
    "differences",
    "recipe_from",
]


@dataclass(frozen=True, slots=True)
class NetworkPart:
    """Which network: a name of the zoo and its settings, and what exits it gets."""

    name: str = setting("", "a network of the zoo")
    config: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    exits_at: tuple[str, ...] = setting((), "modules behind which an early classifier is attached")
    exit_classifier: Literal["linear", "conv"] = setting("linear", "what is attached there")
    lazy_exits: bool = setting(
        False, "of a network that has exits: what only later ones need waits until they run"
    )

    def settings(self, stochastic_depth: float | None = None) -> dict[str, Any]:
        """The keywords of `steelyard.create`, with the rate of stochastic depth among them.

        Raises:
            UsageError: a rate for a network that has no stochastic depth, or given twice.
        """
        from steelyard.zoo.registry import info

        chosen = dict(self.config)
        if stochastic_depth is None:
            return chosen
        if "drop_path" not in {one.name for one in info(self.name).settings}:
            raise UsageError(
                f"stochastic_depth={stochastic_depth} for {self.name}, which has no stochastic depth",
                expected="a network with the setting drop_path, such as efficientnet_b0",
                hint="a recipe without stochastic_depth",
            )
        if "drop_path" in chosen:
            raise UsageError(
                "stochastic_depth and network.config.drop_path", expected="one of them"
            )
        return chosen | {"drop_path": stochastic_depth}

    def build(self, stochastic_depth: float | None = None) -> nn.Module:
        """The network with new weights, and with its exits.

        Raises:
            UsageError: as `settings`; exits that cannot be attached, or both kinds of exits asked for.
            SteelyardError: as `steelyard.create` and `steelyard.attach_exits`.
        """
        from steelyard.dynamic.attach_exits import attach_exits, lazy_exits
        from steelyard.zoo.registry import create

        if self.exits_at and self.lazy_exits:
            raise UsageError("network.exits_at and network.lazy_exits", expected="one of them")
        network = create(self.name, **self.settings(stochastic_depth))
        if self.exits_at:
            return attach_exits(network, self.exits_at, classifier=self.exit_classifier)
        return lazy_exits(network) if self.lazy_exits else network


@dataclass(frozen=True, slots=True)
class DataPart:
    """Which images, and what is done to them; transforms are those of `steelyard.data.transforms`."""

    source: str = setting("", "a data set, as steelyard data lists them")
    validation: float = setting(
        0.0,
        "share of the training images that is kept from training; every epoch is then tested on it",
        low=0,
        high=0.9,
    )
    batch: int = setting(128, "images in one step, of all processes together", low=1, high=2**20)
    workers: int = setting(0, "processes that decode images", low=0, high=256)
    transforms: tuple[str, ...] = setting(("normalize",), "of the images trained on")
    test_transforms: tuple[str, ...] = setting(("normalize",), "of the images tested on")
    on_corrupt: Literal["fail", "skip"] = setting(
        "fail", "an image that cannot be read ends the run, or is left out and counted"
    )


@dataclass(frozen=True, slots=True)
class OptimizerPart:
    """How parameters follow their gradients; see `steelyard.train.optimizers`."""

    kind: Literal["sgd", "adamw", "rmsprop"] = setting("sgd", "the rule")
    lr: float = setting(0.1, "learning rate, before the schedule", low=0, high=1000)
    momentum: float = setting(0.9, "of sgd and rmsprop", low=0, high=1)
    nesterov: bool = setting(True, "Nesterov's momentum, of sgd")
    weight_decay: float = setting(1e-4, "of sgd and rmsprop in the gradient", low=0, high=10)
    decay_all: bool = setting(
        True, "false: none on vectors, which are biases and the weights of normalisations"
    )
    beta1: float = setting(0.9, "of adamw", low=0, high=1)
    beta2: float = setting(0.999, "of adamw", low=0, high=1)
    alpha: float = setting(0.9, "of rmsprop: decay of the mean square", low=0, high=1)
    eps: float = setting(1e-8, "of adamw beside, of rmsprop inside the root", low=0, high=1)


@dataclass(frozen=True, slots=True)
class SchedulePart:
    """How the learning rate goes; formulas in `steelyard.train.schedules`."""

    kind: Literal["cosine", "linear", "step", "exponential", "inverse", "constant"] = setting(
        "cosine", "the curve"
    )
    milestones: tuple[float, ...] = setting((), "of step: epochs after which it drops", low=0)
    gamma: float = setting(0.1, "of step, exponential and inverse", low=0, high=1)
    every: float = setting(1.0, "of exponential: epochs from drop to drop", low=0.001)
    power: float = setting(0.75, "of inverse", low=0, high=10)
    final: float = setting(0.0, "of cosine and linear: share at the end", low=0, high=1)
    warmup_epochs: float = setting(0.0, "epochs of linear warm-up", low=0)
    warmup_start: float = setting(0.0, "share that warm-up begins above", low=0, high=1)


@dataclass(frozen=True, slots=True)
class LossPart:
    """What is minimised: cross-entropy, and what is added to it."""

    label_smoothing: float = setting(0.0, "share spread over all classes", low=0, high=0.99)
    exit_weights: tuple[float, ...] = setting(
        (), "of a network with several outputs, in their order; none: 1 each", low=0
    )
    distillation: float = setting(
        0.0, "share of an early exit's loss that is its distance from a later exit", low=0, high=1
    )
    teacher: Literal["last", "next"] = setting("last", "the exit that teaches an earlier one")
    temperature: float = setting(3.0, "of distillation", low=0.01, high=1000)
    gradient_equilibrium: bool = setting(
        False, "every stage gets the mean of its exits' gradients, not their sum"
    )
    group_lasso: float = setting(0.0, "weight of CondenseNet's group lasso", low=0, high=1)


@dataclass(frozen=True, slots=True)
class EmaPart:
    """The moving average of the parameters, which is then what is evaluated."""

    decay: float = setting(0.0, "0: no average", low=0, high=0.9999999)
    warmup: bool = setting(True, "decay is at most (1 + step) / (10 + step)")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides how a network is trained; two runs of one recipe are the same run.

    Attributes:
        name: how it is called.
        about: one sentence.
        source: where its figures come from.
        network, data, optimizer, schedule, loss, ema: see there.
    """

    name: str = ""
    about: str = ""
    source: str = ""
    seed: int = setting(0, "of all that is drawn", low=0, high=2**63 - 1)
    epochs: int = setting(1, "passes over the data", low=1, high=10**6)
    precision: Literal["fp32", "bf16", "fp16"] = setting("fp32", "bf16, fp16: autocast")
    channels_last: bool = setting(True, "layout of images and weights in memory")
    clip: float = setting(0.0, "largest norm of the gradient; 0: any", low=0)
    accumulate: int = setting(1, "parts in which a batch goes through the network", low=1)
    sync_batch_norm: bool = setting(
        True, "of several processes: statistics over the images of all; false: each over its own"
    )
    log_every: int = setting(50, "steps from row to row of the record", low=1)
    stochastic_depth: float | None = setting(
        None, "rate, where the network has it; none: the network's own", low=0, high=1
    )
    network: NetworkPart = NetworkPart()
    data: DataPart = DataPart()
    optimizer: OptimizerPart = OptimizerPart()
    schedule: SchedulePart = SchedulePart()
    loss: LossPart = LossPart()
    ema: EmaPart = EmaPart()

    def __post_init__(self) -> None:
        for missing, example in (("network.name", "lenet5"), ("data.source", "digits")):
            part, _, key = missing.partition(".")
            if not getattr(getattr(self, part), key):
                raise UsageError(
                    f"recipe {self.name} has no {missing}", hint=f'{missing} = "{example}"'
                )
        if self.accumulate > self.data.batch:
            raise UsageError(
                f"recipe {self.name}: a batch of {self.data.batch} in {self.accumulate} parts",
                expected="accumulate of at most data.batch",
            )
        if self.schedule.warmup_epochs >= self.epochs:
            raise UsageError(
                f"recipe {self.name}: warm-up of {self.schedule.warmup_epochs:g} epochs of {self.epochs}",
                expected="schedule.warmup_epochs below epochs",
            )
        if list(self.schedule.milestones) != sorted(self.schedule.milestones):
            raise UsageError(
                f"recipe {self.name}: milestones {list(self.schedule.milestones)}",
                expected="epochs in rising order",
            )
        if self.optimizer.nesterov and self.optimizer.kind == "sgd" and not self.optimizer.momentum:
            raise UsageError(
                f"recipe {self.name}: Nesterov's momentum with momentum 0",
                hint="optimizer.nesterov = false",
            )

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, in the order of a TOML file; what is not set is left out."""
        found: dict[str, Any] = _plain(self)
        return found

    def to_toml(self) -> str:
        """The same as a TOML file, every setting written out."""
        from steelyard.train.toml import dumps

        return dumps(self.to_dict())


_PARTS = {
    "network": NetworkPart,
    "data": DataPart,
    "optimizer": OptimizerPart,
    "schedule": SchedulePart,
    "loss": LossPart,
    "ema": EmaPart,
}


def recipe_from(values: Mapping[str, Any], name: str) -> Recipe:
    """The recipe that a TOML file's tables describe.

    Args:
        values: as `tomllib` reads them.
        name: of the recipe, where ``values`` has none.

    Raises:
        UsageError: an unknown key (the nearest is offered), a value of another type or out of range,
            or settings that contradict each other.
    """
    name = str(values.get("name", name))
    chosen: dict[str, Any] = {"name": name}
    for key, value in values.items():
        if key in _PARTS:
            if not isinstance(value, Mapping):
                raise UsageError(f"recipe {name}: {key} = {value!r}", expected=f"a table [{key}]")
            chosen[key] = _part(name, key, value)
        else:
            chosen[key] = value
    parts = {key: chosen.pop(key) for key in _PARTS if key in chosen}
    recipe: Recipe = make(f"recipe {name}", Recipe, parts, chosen)
    _check_network(recipe)
    return recipe


def _part(name: str, key: str, given: Mapping[str, Any]) -> Any:
    # an empty list is a value that lists of settings do not have; it means what leaving it out means
    values = {k: v for k, v in given.items() if v != []}
    config = values.pop("config", {}) if key == "network" else {}
    if not isinstance(config, Mapping):
        raise UsageError(f"recipe {name}: network.config = {config!r}", expected="a table")
    part = make(f"recipe {name}, [{key}]", _PARTS[key], {}, values)
    if key != "network":
        return part
    fixed = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    return dataclasses.replace(part, config=MappingProxyType(fixed))


def _check_network(recipe: Recipe) -> None:
    from steelyard.zoo.registry import default_input_shape

    default_input_shape(recipe.network.name, **recipe.network.settings(recipe.stochastic_depth))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]
        # tables of a TOML file stand behind its plain keys
        pairs.sort(
            key=lambda pair: dataclasses.is_dataclass(pair[1]) or isinstance(pair[1], Mapping)
        )
        return {name: _plain(item) for name, item in pairs if item is not None}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def differences(old: Recipe, new: Recipe) -> list[str]:
    """Where two recipes differ in what decides the result: ``optimizer.lr: 0.1 before, 0.2 now``."""
    before, after = _flat(old.to_dict()), _flat(new.to_dict())
    return [
        f"{key}: {before.get(key, 'nothing')!r} before, {after.get(key, 'nothing')!r} now"
        for key in sorted({*before, *after} - {"name", "about", "source", "data.workers"})
        if before.get(key) != after.get(key)
    ]


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            out |= _flat(value, f"{above}{key}.")
        else:
            out[f"{above}{key}"] = value
    return out
