"""`search`: fronts as brute force finds them, constraints, stores that go on, and everything that goes wrong."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import steelyard as sy
from steelyard._kept import Kept
from steelyard.capture.weightless import weightless
from steelyard.design.search import SearchResult, save_search
from steelyard.design.search.store import Store, sole_search
from steelyard.design.search.strategies import population_for
from steelyard.design.spaces import Point, SearchSpace, space_from
from steelyard.errors import InputError, SteelyardError, UnknownNameError, UsageError
from steelyard.train.recipe import recipe_from

HERE = Path(__file__).parent


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module small.py, by a name under which other processes import it, too."""
    monkeypatch.syspath_prepend(str(HERE))
    spec = importlib.util.find_spec("small")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "small", module)
    spec.loader.exec_module(module)
    return module


def network(space: SearchSpace, point: Point) -> sy.Workload:
    name, settings = space.zoo(point) or ("", {})
    with weightless():
        net = sy.create(name, **settings)
    return sy.capture(net, input_shape=space.input_shape(point))


# ---- what is found ---------------------------------------------------------------------------------


def test_the_front_is_brute_forces(small: ModuleType) -> None:
    """Access against an eyeriss' energy would agree; memory against access do not always: all points compared."""
    space = small.tiny()
    found = sy.search(space, "access,peak_memory,params", trials=120, strategy="random", seed=1)
    every = {}
    for point in space.points():
        report = sy.cost(network(space, point))
        every[space.encode(point)] = (
            report.total.access_bytes,
            report.memory.peak_bytes,
            report.total.params,
        )
    assert {trial.key for trial in found.done} == set(every)
    front = {
        key
        for key, mine in every.items()
        if not any(
            all(a <= b for a, b in zip(o, mine, strict=True)) and o != mine for o in every.values()
        )
    }
    assert {trial.key for trial in found.front} == front
    assert all(every[t.key] == found.values(t) for t in found.done)
    assert [t.number for t in found.trials] == list(range(120))


@pytest.mark.parametrize("strategy", ["random", "evolution", "nsga2"])
def test_a_seed_is_a_search(small: ModuleType, strategy: str) -> None:
    def keys(seed: int) -> list[str]:
        found = sy.search(small.tiny(), "macs", trials=15, strategy=strategy, seed=seed)
        return [trial.key for trial in found.trials]

    assert keys(3) == keys(3)
    assert keys(3) != keys(4)


def test_counted_constraints_hold_in_every_trial(small: ModuleType) -> None:
    space = small.tiny()
    macs = sorted(network(space, point).macs for point in space.points())
    limit = macs[len(macs) // 3]
    found = sy.search(space, "params", constraints=f"macs<={limit}", trials=30, seed=2)
    assert len(found.trials) == 30
    assert all(trial.values["macs"] <= limit for trial in found.trials)
    assert found.counts() == {"done": 30, "infeasible": 0, "failed": 0}


@pytest.mark.parametrize("strategy", ["random", pytest.param("nsga2", marks=pytest.mark.slow)])
def test_constraints_that_next_to_nothing_holds(strategy: str) -> None:
    """Of 41,472 networks those below 6,500 parameters are fewer than one in a thousand."""
    space = sy.load_space("digits_mobile")
    found = sy.search(space, "macs,access", constraints="params<=6500", trials=6, strategy=strategy)
    assert found.counts() == {"done": 6, "infeasible": 0, "failed": 0}
    assert all(network(space, space.decode(t.key)).params <= 6500 for t in found.trials)
    assert len(found.done) > 1


@pytest.mark.slow
def test_a_devices_constraint_is_checked_before_the_objective(small: ModuleType) -> None:
    space = small.tiny()
    seconds = sorted(
        sy.roofline(network(space, p), "jetson_nano").time_s * 1e3 for p in space.points()
    )
    limit = seconds[len(seconds) // 2]
    found = sy.search(
        space, "energy_mj@eyeriss", constraints=f"latency_ms@jetson_nano<={limit}", trials=3,
        strategy="random",
    )  # fmt: skip
    by_state = {t.state: t for t in found.trials}
    assert found.counts()["failed"] == 0
    for trial in found.trials:
        load = network(space, space.decode(trial.key))
        assert trial.values["latency_ms@jetson_nano"] == pytest.approx(
            sy.roofline(load, "jetson_nano").time_s * 1e3
        )
        assert (trial.state == "infeasible") == (trial.values["latency_ms@jetson_nano"] > limit)
        assert ("energy_mj@eyeriss" in trial.values) == (trial.state == "done")
    if "done" in by_state:
        load = network(space, space.decode(by_state["done"].key))
        energy = sy.estimate(load, "eyeriss").energy_pj * 1e-9
        assert by_state["done"].values["energy_mj@eyeriss"] == pytest.approx(energy)
    assert "roofline" in found.facts["latency_ms@jetson_nano"]


def test_a_point_that_comes_again_is_not_evaluated_again(small: ModuleType) -> None:
    space = small.tiny()
    found = sy.search(space, "macs", trials=60, strategy="random")
    again = [trial for trial in found.trials if trial.reason.startswith("as trial")]
    assert again
    assert len(found.done) == len({trial.key for trial in found.trials})
    assert all(trial.seconds == 0 for trial in again)


def test_best_is_least_in_the_first_objective(small: ModuleType) -> None:
    space = small.tiny()
    found = sy.search(space, ["macs", "params"], trials=80, strategy="random")
    assert found.best.values["macs"] == min(network(space, p).macs for p in space.points())


# ---- stores ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["random", "evolution", "nsga2", "rl"])
def test_a_search_that_is_cut_off_goes_on_as_if_it_had_not_been(
    small: ModuleType, tmp_path: Path, strategy: str
) -> None:
    """Cut in the first population, in the second, and once it ended; constraints turn proposals down meanwhile."""

    def run(trials: int, name: str, cut: int = 0) -> SearchResult:
        def stop(done: int, every: int, how: str) -> None:
            if done == cut:
                raise KeyboardInterrupt

        return sy.search(
            small.tiny(), "macs,params", constraints="macs<=250k", trials=trials, strategy=strategy,
            store=tmp_path / name, progress=stop,
        )  # fmt: skip

    for cut in (5, 13):
        with pytest.raises(KeyboardInterrupt):
            run(18, "a.db", cut)
    longer, whole = run(21, "a.db"), run(21, "b.db")
    assert longer.trials == whole.trials
    assert run(5, "a.db").trials == longer.trials  # nothing to do


def test_a_longer_search_keeps_the_population_that_it_began_with(tmp_path: Path) -> None:
    """And a store of a time when all populations were 50 keeps that."""
    path = tmp_path / "s.db"
    assert Store(path, {"seed": 0}, 60).planned == 60
    assert Store(path, {"seed": 0}, 600).planned == 60
    with sqlite3.connect(path) as base:
        base.execute("DELETE FROM trials")
    base.close()
    Kept(path, "trials").put("head", '{"schema": "steelyard.search-store/1", "seed": 0}')
    assert population_for(Store(path, {"seed": 0}, 60).planned) == 50
    with pytest.raises(UsageError, match="seed: 0 before, 1 now"):
        Store(path, {"seed": 1}, 60)


def test_interrupted_searches_keep_what_is_finished(small: ModuleType, tmp_path: Path) -> None:
    def stop(done: int, every: int, how: str) -> None:
        if done == 4:
            raise KeyboardInterrupt

    def run(progress: Callable[[int, int, str], None] | None) -> SearchResult:
        return sy.search(small.tiny(), "macs", trials=9, store=tmp_path / "s.db", progress=progress)

    with pytest.raises(KeyboardInterrupt):
        run(stop)
    told: list[int] = []
    found = run(lambda done, every, how: told.append(done))
    assert told == [5, 6, 7, 8, 9]
    assert [trial.number for trial in found.trials] == list(range(9))


def test_a_changed_search_is_refused_with_the_difference(small: ModuleType, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    sy.search(small.tiny(), "macs", trials=2, store=store)
    with pytest.raises(UsageError) as error:
        sy.search(small.tiny((3, 5, 7)), "macs", trials=4, store=store)
    assert "space.stage1.kernel: 3, 5 before, 3, 5, 7 now" in str(error.value)
    assert "stage2" not in str(error.value)
    with pytest.raises(UsageError, match="objectives: macs before, params now"):
        sy.search(small.tiny(), "params", trials=4, store=store)
    with pytest.raises(UsageError, match="seed: 0 before, 1 now"):
        sy.search(small.tiny(), "macs", trials=4, store=store, seed=1)


def test_two_searches_on_one_store(small: ModuleType, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    with (
        sole_search(store),
        pytest.raises(UsageError, match=rf"another process \({os.getpid()}\) searches with"),
    ):
        sy.search(small.tiny(), "macs", trials=2, store=store)
    assert len(sy.search(small.tiny(), "macs", trials=2, store=store).trials) == 2


def test_stores_that_cannot_be_used(small: ModuleType, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    store.write_bytes(b"no database" * 1000)
    with pytest.raises(InputError, match="cannot use"):
        sy.search(small.tiny(), "macs", trials=2, store=store)
    assert store.read_bytes().startswith(b"no database")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        sy.search(small.tiny(), "macs", trials=2, store=tmp_path / "file" / "s.db")


def test_a_damaged_trial_is_tried_again(small: ModuleType, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    whole = sy.search(small.tiny(), "macs", trials=5, store=store)
    with sqlite3.connect(store) as base:
        base.execute(
            "UPDATE trials SET answer = replace(answer, 'done', 'dome') WHERE key LIKE '%2'"
        )
    base.close()
    told: list[int] = []
    found = sy.search(
        small.tiny(), "macs", trials=5, store=store, progress=lambda done, every, how: told.append(done)
    )  # fmt: skip
    assert found.trials == whole.trials
    assert told == [5]
    assert any("damaged" in line for line in found.warnings)


# ---- what goes wrong -------------------------------------------------------------------------------


def test_networks_that_cannot_be_built_are_failed_trials(small: ModuleType) -> None:
    space = small.Deadly(os.getpid())
    found = sy.search(space, "macs", trials=12, strategy="random", seed=5)
    (failed,) = {t.key: t for t in found.trials if t.state == "failed"}.values()
    assert failed.key == "1"
    assert "one is too few" in failed.reason
    assert any("one is too few" in line for line in found.warnings)
    assert found.best.key == "0"


def test_constraints_that_nothing_holds_are_said_at_once(small: ModuleType) -> None:
    space = small.tiny()
    least = min(network(space, point).macs for point in space.points())
    told: list[int] = []
    with pytest.raises(InputError) as error:
        sy.search(
            space, "params", constraints="macs<=1k", progress=lambda done, every, how: told.append(done)
        )  # fmt: skip
    assert f"{least / 1e3:.1f}"[:3] in str(error.value)
    assert told == []
    with pytest.raises(InputError, match="latency_ms@jetson_nano<=1e-06"):
        sy.search(space, "params", constraints="latency_ms@jetson_nano<=1e-6")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"objectives": "speed"}, "nothing that a search knows"),
        ({"objectives": "mac"}, "try: macs"),
        ({"objectives": "latency_ms"}, "on which device?"),
        ({"objectives": "macs@cpu"}, "this has no device"),
        ({"objectives": ""}, "objectives none"),
        ({"objectives": "macs,macs"}, "each once"),
        ({"objectives": "error"}, "needs a recipe"),
        ({"objectives": "latency_ms@nowhere"}, "no device is named"),
        ({"objectives": "energy_mj@h100"}, "does not tell joules"),
        ({"objectives": "macs", "constraints": "macs"}, "no constraint"),
        ({"objectives": "macs", "constraints": "macs<=much"}, "is not a count"),
        ({"objectives": "macs", "constraints": "error<=much"}, "no number"),
        ({"objectives": "macs", "constraints": "macs>=3"}, "no constraint"),
        ({"objectives": "macs", "strategy": "guess"}, "no strategy is named"),
        ({"objectives": "macs", "trials": 0}, "0 trials"),
        ({"objectives": "macs", "workers": 0}, "0 workers"),
    ],
)
def test_mistakes(small: ModuleType, given: dict[str, Any], says: str) -> None:
    with pytest.raises(SteelyardError) as error:
        sy.search(small.tiny(), **given)
    assert says in str(error.value)


def test_measured_latencies_are_for_one_worker(
    small: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="disturb each other"):
        sy.search(small.tiny(), "latency_ms@cpu", workers=2)


def test_unknown_recipe(small: ModuleType) -> None:
    with pytest.raises(UnknownNameError, match="no recipe is named"):
        sy.search(small.tiny(), "error", recipe="nonsense")


# ---- recipes ---------------------------------------------------------------------------------------

SPACES: dict[str, dict[str, Any]] = {
    "mobile": {
        "resolution": 8, "settings": {"num_classes": 10, "in_channels": 1},
        "stage": [{"channels": [8, 16], "se": [0, 0.25], "expansion": [2, 3]}],
    },
    "shuffle": {
        "resolution": 32, "settings": {"num_classes": 10, "in_channels": 1},
        "stage": [{"channels": [32, 48], "repeats": [1, 2]}],
    },
    "darts": {
        "steps": 2, "layers": [3, 4], "filters": 8,
        "settings": {"num_classes": 10, "in_channels": 1, "resolution": 8},
    },
    "nasnet": {
        "steps": 2, "layers": 1, "filters": 8,
        "settings": {"num_classes": 10, "in_channels": 1, "resolution": 8},
    },
    "wiring": {
        "resolution": 32, "nodes": [4, 5], "filters": 8, "seeds": 3,
        "generator": [{"generator": "ba", "m": 2}],
        "settings": {"num_classes": 10, "in_channels": 1},
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", SPACES)
def test_the_best_is_a_recipe_that_builds_the_same_network(kind: str, tmp_path: Path) -> None:
    space = space_from({"kind": kind, **SPACES[kind]}, kind)
    found = sy.search(space, "macs", trials=3, strategy="random", seed=1)
    file = tmp_path / "best.toml"
    recipe = found.recipe(found.best, sy.load_recipe("digits_resnet56"))
    file.write_text(recipe.to_toml())
    again = sy.load_recipe(file)
    assert again.to_dict() == recipe.to_dict()
    assert again.data == sy.load_recipe("digits_resnet56").data
    with weightless():
        net = sy.create(again.network.name, **again.network.settings())
    point = space.decode(found.best.key)
    assert sy.capture(net, input_shape=space.input_shape(point)).macs == found.best.values["macs"]


def test_spaces_beside_the_zoo_have_no_recipes() -> None:
    space = space_from({"kind": "regnet", "resolution": 32}, "line")
    found = sy.search(space, "macs", trials=1)
    with pytest.raises(UsageError, match="that the zoo has not"):
        found.recipe(found.best, sy.load_recipe("digits_resnet56"))


# ---- how it is shown -------------------------------------------------------------------------------


def test_page_and_table(small: ModuleType, tmp_path: Path) -> None:
    found = sy.search(small.tiny(), "macs,params", trials=12, strategy="random")
    page = save_search(found, tmp_path / "page.html").read_text()
    assert page.count("<circle") == len(found.done)
    assert page.count("<polyline") == len(found.done)
    assert "params against macs" in page
    assert "12 trials by random" in str(found)
    assert len(found.records().rows) == 12
    data = json.loads(json.dumps(found.to_dict()))
    assert data["trials"][0]["choices"]["stage1.kernel"] in (3, 5)
    assert sum(trial["on_front"] for trial in data["trials"]) == len(found.front)


# ---- processes and training ------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_worker_takes_only_its_trial(small: ModuleType, tmp_path: Path) -> None:
    space = small.Deadly(os.getpid(), seconds=0.02)
    found = sy.search(
        space, "peak_memory", constraints=(), trials=14, strategy="random", workers=2,
        store=tmp_path / "s.db",
    )  # fmt: skip
    assert [trial.number for trial in found.trials] == list(range(14))
    first = {trial.key: trial for trial in reversed(found.trials)}
    assert set(first) == {str(n) for n in range(12)}
    assert first["0"].state == "failed"
    assert "ended with signal 9" in first["0"].reason
    assert first["1"].state == "failed"
    assert all(first[str(n)].state == "done" for n in range(2, 12))
    assert sum(not trial.reason.startswith("as trial") for trial in found.trials) == 12


@pytest.mark.slow
def test_error_is_that_of_the_recipe(small: ModuleType, tmp_path: Path) -> None:
    recipe = sy.load_recipe("digits_resnet56", ["epochs=1", "schedule.warmup_epochs=0"])
    found = sy.search(small.tiny(), "error,macs", trials=2, recipe=recipe, strategy="random")
    trial = found.trials[0]
    run = sy.train(found.recipe(trial), run=tmp_path / "run", say=lambda text: None)
    wrong = 1 - run.metrics("epoch")[-1]["test_top1"] / 100
    assert trial.values["error"] == pytest.approx(wrong)
    assert "a proxy for full training" in found.facts["error"]


@pytest.mark.parametrize(
    "stage", [{"channels": 8, "kernal": 3}, {"kernel": 3}, {"channels": "8"}, {"channels": [8]}]
)
def test_stages_of_a_recipe_are_checked(stage: dict[str, Any]) -> None:
    recipe = sy.load_recipe("digits_resnet56").to_dict()
    recipe["network"] = {"name": "mobilenet_v2", "config": {"stages": [stage]}}
    with pytest.raises(UsageError, match="stages="):
        recipe_from(recipe, "mine")
