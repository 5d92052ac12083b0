"""What the spaces that are made of stages share: tables of lists as settings, and the choices that they give."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from steelyard.design.spaces.base import Choice
from steelyard.errors import UsageError
from steelyard.zoo import config as zoo_settings

_Table = TypeVar("_Table")
_Stage = TypeVar("_Stage")


def table(where: str, kind: type[_Table], given: Mapping[str, Any]) -> _Table:
    """An instance of a dataclass of settings from a TOML table, in which one value may stand for a list of one.

    Raises:
        UsageError: an unknown key (the nearest is offered), or a value of another type or out of bounds.
    """
    fields = dataclasses.fields(cast("Any", kind))
    lists = {field.name for field in fields if str(field.type).startswith("tuple")}
    values = {
        key: value if key not in lists or isinstance(value, (list, tuple)) else (value,)
        for key, value in given.items()
    }
    made: _Table = zoo_settings.make(where, kind, {}, values)
    return made


def tables(where: str, key: str, kind: type[_Table], given: object) -> tuple[_Table, ...]:
    """The same for an array of tables: ``[[stage]]``.

    Raises:
        UsageError: no array of tables, an empty one, or as `table`.
    """
    if (
        not isinstance(given, Sequence)
        or not given
        or not all(isinstance(t, Mapping) for t in given)
    ):
        raise UsageError(f"{where} has no stages", expected=f"one or more tables [[{key}]]")
    return tuple(table(f"{where}, [[{key}]] {i}", kind, t) for i, t in enumerate(given, 1))


def stages_and_head(
    where: str,
    stage: type[_Stage],
    head: type[_Table],
    given: Mapping[str, Any],
    taken: Iterable[str],
) -> tuple[tuple[_Stage, ...], _Table, dict[str, Any]]:
    """The tables ``[[stage]]`` of a space, what stands above them, and ``[settings]``.

    Raises:
        UsageError: as `tables`, `table` and `settings_of`.
    """
    rest = dict(given)
    stages = tables(where, "stage", stage, rest.pop("stage", None))
    fixed = rest.pop("settings", {})
    above: Any = table(where, head, rest)
    return stages, above, settings_of(where, above.network, fixed, taken)


def stage_choices(stages: Iterable[Any], fixed: Sequence[str] = ()) -> tuple[Choice, ...]:
    """A choice ``stage1.kernel`` for every list of every stage."""
    return tuple(
        Choice(f"stage{i}.{field.name}", getattr(stage, field.name))
        for i, stage in enumerate(stages, 1)
        for field in dataclasses.fields(stage)
        if field.name not in fixed
    )


def settings_of(where: str, network: str, given: object, taken: Iterable[str]) -> dict[str, Any]:
    """Settings that all networks share, checked.

    Args:
        where: what to call the space.
        network: of the zoo.
        given: the table ``[settings]``.
        taken: settings that the space decides itself.

    Raises:
        UsageError: no table, an unknown setting, an impossible value, or one that the space decides.
    """
    from steelyard.zoo.registry import default_registry

    if not isinstance(given, Mapping):
        raise UsageError(f"{where}: settings = {given!r}", expected="a table [settings]")
    fixed = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    both = sorted(set(fixed) & set(taken))
    if both:
        raise UsageError(
            f"{where}: [settings] has {', '.join(both)}", expected="settings that are not searched"
        )
    family, model = default_registry().find(network)
    zoo_settings.make(f"{where}, [settings]", family.config, model.defaults, fixed)
    return fixed


def config_of(network: str, fixed: Mapping[str, object]) -> Any:
    """The settings of a network of the zoo as its family's dataclass."""
    from steelyard.zoo.registry import default_registry

    family, model = default_registry().find(network)
    return zoo_settings.make(network, family.config, model.defaults, fixed)
