"""`search`: looks for the best networks of a space."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.design.search.crew import Job, crew
from steelyard.design.search.goals import SEARCHED, Constraint, Quantity, constraint, quantities
from steelyard.design.search.loop import Loop, Progress, lag_of
from steelyard.design.search.proxies import NASWOT, SHORT_TRAINING
from steelyard.design.search.result import SearchResult
from steelyard.design.search.store import Store, sole_search
from steelyard.design.search.strategies import STRATEGIES
from steelyard.design.sharing.options import LEARNING, Options, parse_strategy
from steelyard.design.spaces.base import SearchSpace
from steelyard.design.spaces.codesign import Codesign
from steelyard.design.spaces.registry import load_space
from steelyard.errors import UnknownNameError, UsageError
from steelyard.hardware.engines import ENGINES, Engine
from steelyard.train.recipe import Recipe
from steelyard.train.toml import load_recipe

if TYPE_CHECKING:
    from steelyard.design.sharing.learn import Learnt

FEWEST_RANKED = 5
"""Networks that a rank correlation is told of."""

MOST_WORKERS: Mapping[Engine, int] = {"local": 64, "ray": 4096}


def search(
    space: SearchSpace | str | Path,
    objectives: str | Sequence[str],
    *,
    constraints: str | Sequence[str] = (),
    trials: int = 100,
    strategy: str = "",
    seed: int = 0,
    store: str | Path | None = None,
    workers: int = 1,
    engine: Engine = "local",
    address: str = "auto",
    recipe: Recipe | str | Path | None = None,
    progress: Progress | None = None,
) -> SearchResult:
    """Tries networks of a space, and returns all of them and those that none of them beats.

    Constraints on counted quantities are held by every network that is tried; others are checked before anything that
    takes longer. The same seed and number of workers give the same trials, wherever these are and whoever of them is
    killed. With a store, a search that ended early goes on: a trial is kept when it is finished, and none is tried twice.

    Example: ``search("mnasnet", ["macs", "latency_ms@cpu"], constraints="params<=2M", trials=500)``.

    Args:
        space: a `SearchSpace`, a name of `list_spaces`, or a TOML file.
        objectives: what is minimised, see `steelyard.design.search.goals`.
        constraints: what must hold, ``macs<=300M``.
        trials: finished ones, in all sessions together. The populations of evolution and NSGA-II follow that of the first
            session: see `steelyard.design.search.strategies.population_for`.
        strategy: ``random``, ``evolution``, ``nsga2``, ``rl``, or one with shared weights, perhaps with options (see
            `steelyard.design.sharing.options`): ``once_for_all``, ``enas:epochs=20``, ``darts:order=1``; "": evolution
            for one objective, else nsga2.
        seed: of all that is drawn.
        store: a file in which trials are kept.
        workers: networks that are evaluated at once; if several, the space must be one that can be sent to processes.
        engine: ``local``: processes of this machine; ``ray``: a Ray cluster.
        address: of the cluster; see `steelyard.hardware.engines.on_ray`.
        recipe: for ``error`` and shared weights: how networks are trained; its own network is replaced.
        progress: told how it goes, after every trial, and before that after every step of shared weights.

    Raises:
        UsageError: objectives, constraints or options that are wrong; or the store is of another search or in use.
        UnknownNameError: no such strategy, device or recipe.
        InputError: constraints that no network holds, or a store that cannot be used.
        MissingExtraError: nsga2 without Optuna, or a cluster without Ray.
        BackendError: the cluster does not answer or is lost; what is finished is in the store.
        KeyboardInterrupt: interrupted; what is finished is in the store.
    """
    found = space if isinstance(space, SearchSpace) else load_space(space)
    goals = quantities([objectives] if isinstance(objectives, str) else objectives)
    texts = [constraints] if isinstance(constraints, str) else constraints
    limits = tuple(constraint(one) for text in texts for one in text.split(",") if one.strip())
    chosen = strategy or ("evolution" if len(goals) == 1 else "nsga2")
    options = _options(chosen, found, goals, limits)
    _check_numbers(trials, workers, engine, alone=options is not None)
    proxy = recipe if isinstance(recipe, Recipe) or recipe is None else load_recipe(recipe)
    job = Job(found, goals, limits, proxy)
    loop = Loop(job, chosen, seed, trials, progress or (lambda done, every, how: None))
    if loop.evaluator.places.measures and (workers > 1 or engine == "ray"):
        raise UsageError(
            "latencies that are measured by several workers at once, who disturb each other, or on another machine",
            expected="one worker here, or a machine that is calibrated",
            hint="steelyard calibrate",
        )
    with ExitStack() as held:
        if store is not None:
            held.enter_context(sole_search(Path(store)))
            loop.remember(Store(Path(store), loop.head(), trials))
        if not loop.trials:
            _ = loop.held  # constraints that nothing holds are said now
        if options is not None:
            trials = min(trials, options.most)
            loop.learn(_learnt(loop, options, _weights_folder(store, held)))
        if loop.missing(trials):
            who = held.enter_context(crew(job, loop.evaluator, workers, engine, address))
            loop.run(trials, who, lag_of(workers))
    return _result(loop)


def _options(
    strategy: str,
    space: SearchSpace,
    objectives: Sequence[Quantity],
    constraints: Sequence[Constraint],
) -> Options | None:
    """Of a strategy with shared weights; None for another."""
    options = parse_strategy(strategy)
    if options is None and strategy not in STRATEGIES:
        every = (*STRATEGIES, *LEARNING)
        raise UnknownNameError("strategy", strategy, every, hint=", ".join(every))
    if options is not None:
        from steelyard.design.sharing.learn import check_learning

        check_learning(options, space, objectives, constrained=bool(constraints))
    return options


def _weights_folder(store: str | Path | None, held: ExitStack) -> Path:
    """Where shared weights are kept: beside the store, or until the search ends."""
    if store is not None:
        return Path(f"{store}.weights")
    made = tempfile.TemporaryDirectory(prefix="steelyard-weights-")
    return Path(held.enter_context(made))


def _learnt(loop: Loop, options: Options, folder: Path) -> Learnt:
    from steelyard.design.sharing.learn import learn

    job = loop.job
    return learn(
        options, job.space, job.objectives, job.proxy, found=loop.evaluator.places, seed=loop.seed,
        trials=loop.planned, folder=folder, tell=loop.tell,
    )  # fmt: skip


def _check_numbers(trials: int, workers: int, engine: Engine, *, alone: bool) -> None:
    if alone and (workers > 1 or engine != "local"):
        raise UsageError(
            f"{workers} workers of the engine {engine} for shared weights",
            expected="one worker here, who has them",
        )
    if engine not in ENGINES:
        raise UsageError(f"the engine {engine!r}", expected=" or ".join(ENGINES))
    most = MOST_WORKERS[engine]
    if trials < 1 or not 1 <= workers <= most:
        raise UsageError(
            f"{trials} trials, {workers} workers", expected=f"at least 1, at most {most} workers"
        )


def _result(loop: Loop) -> SearchResult:
    """Everything that is known now."""
    job = loop.job
    return SearchResult(
        job.space, loop.name, loop.seed, tuple(job.objectives), tuple(job.constraints), loop.finished,
        _facts(loop), job.proxy, _warnings(loop), loop.learnt.judge if loop.learnt else None,
    )  # fmt: skip


def _facts(loop: Loop) -> dict[str, str]:
    facts = {f"latency_ms@{d}": str(c) for d, c in loop.evaluator.places.clocks.items()}
    facts |= _device_facts(loop)
    wanted = {one.name for one in loop.evaluator.wanted}
    if "error" in wanted and loop.job.proxy is not None:
        proxy = loop.job.proxy
        epochs = f"{proxy.epochs} epoch{'s' if proxy.epochs > 1 else ''}"
        facts["error"] = (
            f"of the test images of {proxy.data.source} after {epochs} by the recipe {proxy.name}: "
            f"a proxy for full training; {SHORT_TRAINING}"
        )
    if loop.learnt is not None:
        facts["error" if loop.learnt.judge is not None else "network"] = loop.learnt.fact
    if "naswot" in wanted:
        facts["naswot"] = (
            "minus the score of Mellor et al. 2021 of the untrained network on noise: a proxy for accuracy; "
            f"{NASWOT}"
        )
        facts |= _correlation(loop)
    return facts


def _device_facts(loop: Loop) -> dict[str, str]:
    """Where the quantities of a device come from that is searched, too; and areas."""
    facts, space = {}, loop.job.space
    if isinstance(space, Codesign):
        changed = ", ".join(sweep.path for sweep in space.sweeps)
        facts[SEARCHED] = (
            f"{space.device.name} with another {changed}; energy and latency are those of one run, each layer mapped for "
            f"least {' or '.join(space.mappings)}"
        )
    if any(one.name == "area_mm2" for one in loop.evaluator.wanted):
        facts["area"] = "of memories and multipliers alone, by published densities"
    return facts


def _correlation(loop: Loop) -> dict[str, str]:
    """Of the score and the error, where both were found."""
    from steelyard.design.search.zero_cost import rank_correlation

    rows = {t.key: t.values for t in loop.finished if {"naswot", "error"} <= t.values.keys()}
    if len(rows) < FEWEST_RANKED:
        return {}
    one, other = ([values[name] for values in rows.values()] for name in ("naswot", "error"))
    found = rank_correlation(one, other)
    return {
        "naswot and error": f"rank correlation {found:.2f} over {len(rows)} networks of this search, with "
        "its short trainings"
    }  # fmt: skip


def _warnings(loop: Loop) -> tuple[str, ...]:
    found = list(loop.store.notes) if loop.store is not None else []
    reasons = Counter(t.reason for t in loop.finished if t.state == "failed")
    if reasons:
        reason, _ = reasons.most_common(1)[0]
        total = sum(reasons.values())
        found.append(f"{total} trial{'s' if total > 1 else ''} failed, most often: {reason}")
    return tuple(found)
