"""The search on a simulated machine, where the best recipe is known: what it chooses, refuses and survives."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.errors import BackendError
from steelyard.measure.optimize_network import Task
from steelyard.measure.optimize_result import Optimized, Trial
from steelyard.measure.optimize_search import Search, all_tried
from steelyard.measure.recipes import Plan, Recipe, plan
from steelyard.measure.session import Job

FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni")


class Machine:
    """Answers as the worker does, from a table of seconds or of what goes wrong; deaths included."""

    def __init__(self, seconds: dict[str, float | str], noise: float = 0.0) -> None:
        self.seconds = seconds
        self.noise = noise
        self.asked: list[tuple[str, str]] = []
        self.labs: list[Machine.Lab] = []

    def open(self, keep_freed: bool) -> Machine.Lab:
        self.labs.append(Machine.Lab(self, keep_freed))
        return self.labs[-1]

    class Lab:
        def __init__(self, machine: Machine, keep_freed: bool) -> None:
            self.machine = machine
            self.keep_freed = keep_freed
            self.alive = True
            self.held: set[str] = set()

        def ask(self, do: str, **request: Any) -> Any:
            setting = request.get("setting", "")
            self.machine.asked.append((do, setting))
            if do == "open":
                return {"name": "net", "weights": "", "has_module": True, "shapes": [[1, 3, 8, 8]]}
            if do == "drop":
                self.held.discard(setting)
                return None
            key = str(Recipe(setting, self.keep_freed))
            takes = self.machine.seconds.get(key, "no such backend here")
            if takes == "interrupt":
                raise KeyboardInterrupt
            if isinstance(takes, str):
                self.alive = takes != "died"
                raise BackendError(takes)
            if do == "try":
                self.held.add(setting)
                return {"ran": setting, "deviation": 0.0, "agreement": None, "samples_s": [takes], "took_s": 0.1}  # fmt: skip
            if setting not in self.held:
                raise AssertionError(f"{setting} was dropped and is asked for samples")
            wave = 1 + self.machine.noise * (len(self.machine.asked) % 3 - 1)
            return [takes * 9, takes * wave][-request["count"] :]

        def close(self) -> None:
            self.alive = False


def searched(
    seconds: dict[str, float | str],
    *,
    suffix: str = "",
    budget_s: float = 1e6,
    tolerance: float = 0.5,
    thorough: bool = False,
) -> tuple[Search, Plan]:
    planned = plan(
        tolerance=tolerance, calibrated=True, flags=FLAGS, has_module=True, in_child=True, compiled=False, batch=4
    )  # fmt: skip
    machine = Machine(seconds)
    search = Search(
        Task(Job("net", "eager", tolerance=tolerance)), machine.open,
        least_agreement=0.0, budget_s=budget_s, suffix=suffix,
    )  # fmt: skip
    search.open()
    search.run(planned, thorough=thorough)
    return search, planned


def result(search: Search, planned: Plan) -> Optimized:
    return Optimized(
        "net", "", 1, 2, ((1, 3, 8, 8),), 0.5, 0, 0.0,
        search.trials[planned.baseline], tuple(all_tried(search, planned)), 1.0,
    )  # fmt: skip


NAMES = [
    str(r)
    for r in plan(
        tolerance=0.5,
        calibrated=True,
        flags=FLAGS,
        has_module=True,
        in_child=True,
        compiled=False,
        batch=4,
    ).recipes
]


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {name: st.one_of(st.floats(1e-4, 1.0), st.just("NaN outputs")) for name in NAMES}
    ),
    st.floats(1e-4, 1.0),
)
def test_the_fastest_is_found_unless_it_was_ruled_out(
    seconds: dict[str, float | str], eager: float
) -> None:
    """Left untried is only what is bounded by a recipe that is far from the best, or was wrong."""
    search, planned = searched({**seconds, "eager": eager})
    found = result(search, planned)
    tried = {
        str(t.recipe): s
        for t in (found.baseline, *found.trials)
        if isinstance(s := {**seconds, "eager": eager}.get(str(t.recipe)), float)
        and not t.refused.startswith("not tried")
    }
    assert found.chosen.median_s == pytest.approx(min(tried.values()))
    for trial in found.trials:
        if isinstance(seconds[str(trial.recipe)], str):
            assert trial.refused
            assert trial.median_s is None


@settings(max_examples=30, deadline=None)
@given(st.fixed_dictionaries({name: st.floats(1e-4, 1.0) for name in NAMES}))
def test_a_thorough_search_tries_everything(seconds: dict[str, float]) -> None:
    """But what is hopeless; and says what was chosen before, here in no time at all: the first there is, or the baseline."""
    search, planned = searched({**seconds, "eager": 0.5}, budget_s=1e-9, thorough=True)
    found = result(search, planned)
    right = {**seconds, "eager": 0.5}
    for trial in found.trials:
        assert not trial.refused or "times as slow as the best" in trial.refused
    assert found.chosen.median_s == min(s for name, s in right.items() if name not in {str(t.recipe) for t in found.trials if t.refused})  # fmt: skip
    first = min((planned.baseline, planned.recipes[0]), key=lambda r: {**seconds, "eager": 0.5}[str(r)])  # fmt: skip
    assert search.first_choice == first


def test_what_dies_is_refused_and_a_new_process_goes_on() -> None:
    search, planned = searched({"eager": 1.0, "onnxruntime": "died", "openvino": 0.5})
    found = result(search, planned)
    assert found.chosen.recipe == Recipe("openvino")
    assert {t.recipe.setting: t.refused for t in found.trials}["onnxruntime"] == "died"


def test_a_baseline_that_does_not_run_ends_it() -> None:
    with pytest.raises(BackendError, match="does not run as it is: no luck"):
        searched({"eager": "no luck", "openvino": 0.5})


def test_when_the_time_is_up_nothing_more_is_begun_but_a_first_answer() -> None:
    search, planned = searched(dict.fromkeys([*NAMES, "eager"], 0.5), budget_s=1e-9)
    tried = [t for t in all_tried(search, planned) if t.median_s is not None]
    assert [t.recipe for t in tried] == [planned.recipes[0]]
    assert "the time of 0 s was up" in search.trials[planned.recipes[-1]].refused


@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".pt2"])
def test_what_can_be_stored_is_tried_even_then_and_chosen_for_the_file(suffix: str) -> None:
    search, planned = searched(dict.fromkeys([*NAMES, "eager"], 0.5), budget_s=1e-9, suffix=suffix)
    assert result(search, planned).best(suffix).recipe.fits(suffix)


def test_nothing_to_store_is_an_error_that_names_the_kind() -> None:
    search, planned = searched({"eager": 0.5})
    with pytest.raises(BackendError, match=r"can be stored as \.xml"):
        result(search, planned).best(".xml")


def test_keeping_memory_is_not_tried_where_it_cannot_win() -> None:
    seconds: dict[str, float | str] = {
        "eager": 9.0,
        "onnxruntime": 1.0,
        "eager+folded+channels_last": 2.6,
    }
    search, _ = searched({**seconds, "eager+folded+channels_last, memory kept": 0.1})
    kept = search.trials[Recipe("eager+folded+channels_last", keep_freed=True)]
    assert "2.6 times as slow" in kept.refused
    search, planned = searched({**seconds, "eager+folded+channels_last": 2.4, "eager+folded+channels_last, memory kept": 0.9})  # fmt: skip
    assert result(search, planned).chosen.recipe.keep_freed


def test_wrong_outputs_rule_out_the_same_arithmetic_alone() -> None:
    search, _ = searched(
        {"eager": 1.0, "openvino+int8+parts": "outputs differ", "openvino+int8": 0.5, "openvino": 0.6}
    )  # fmt: skip
    mixed = search.trials[Recipe("openvino+int8+bfloat16+parts")].refused
    assert mixed == "not tried: openvino+int8+parts: outputs differ"
    assert search.trials[Recipe("openvino+int8")].median_s
    assert search.trials[Recipe("openvino")].median_s


def test_parts_are_for_even_batches_of_four_and_more() -> None:
    assert any(r.parts for r in planned_for(batch=4).recipes)
    assert not any(r.parts for batch in (1, 2, 5) for r in planned_for(batch=batch).recipes)
    assert not any(r.parts for r in planned_for(has_module=False).recipes)


def test_ctrl_c_leaves_what_was_found() -> None:
    planned = plan(
        tolerance=0.5, calibrated=True, flags=FLAGS, has_module=True, in_child=True, compiled=False, batch=4
    )  # fmt: skip
    machine = Machine({"eager": 1.0, "openvino": 0.4, "onnxruntime": "interrupt"})
    search = Search(Task(Job("net", "eager", tolerance=0.5)), machine.open, least_agreement=0.0, budget_s=1e6)  # fmt: skip
    search.open()
    with pytest.raises(KeyboardInterrupt):
        search.run(planned)
    assert result(search, planned).chosen.recipe == Recipe("openvino")
    assert not any(lab.alive for lab in machine.labs)


def test_the_final_counts_the_runs_with_warm_caches() -> None:
    """The first run of a turn takes nine times as long here, and is thrown away."""
    search, _ = searched({"eager": 0.1, "onnxruntime": 0.04})
    trial = search.trials[Recipe("onnxruntime")]
    assert statistics.median(trial.samples_s) == pytest.approx(0.04)
    assert len(trial.samples_s) >= 10


# ---- what is tried at all --------------------------------------------------------------------------


def planned_for(**other: Any) -> Plan:
    given = {"tolerance": 0.5, "calibrated": True, "flags": FLAGS, "has_module": True, "in_child": True, "compiled": False, "batch": 4}  # fmt: skip
    return plan(**{**given, **other})


def reason(planned: Plan, setting: str) -> str:
    return {r.setting: why for r, why in planned.left_out}[setting]


def test_a_small_tolerance_leaves_float32() -> None:
    planned = planned_for(tolerance=1e-4)
    assert {r.precision for r in planned.recipes} == {"float32"}
    assert "too small for bfloat16" in reason(planned, "openvino+bfloat16")
    assert {r.precision for r in planned_for(tolerance=5e-3).recipes} == {"float32", "bfloat16"}


def test_the_processor_decides() -> None:
    planned = planned_for(flags=("avx2",))
    assert {r.precision for r in planned.recipes} == {"float32", "int8"}
    assert "no bfloat16 arithmetic" in reason(planned, "openvino+bfloat16")
    assert "no fast arithmetic in 8 bits" in reason(planned_for(flags=()), "openvino+int8")


def test_8_bits_need_calibration() -> None:
    assert "--calibrate random" in reason(planned_for(calibrated=False), "openvino+int8")


def test_an_onnx_file_is_run_by_the_runtimes_alone() -> None:
    planned = planned_for(has_module=False)
    assert planned.baseline == Recipe("onnxruntime")
    assert {r.backend for r in planned.recipes} == {"onnxruntime", "openvino"}
    assert planned.baseline not in planned.recipes


def test_compiling_is_tried_if_asked_for() -> None:
    assert not any(r.backend == "compile" for r in planned_for().recipes)
    assert any(r.backend == "compile" for r in planned_for(compiled=True).recipes)


def test_the_users_own_allocator_is_left_alone() -> None:
    assert not any(r.keep_freed for r in planned_for(in_child=False).recipes)


def test_a_missing_runtime_is_named_with_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "openvino" else found(name)
    )
    assert "pip install 'steelyard[openvino]'" in reason(planned_for(), "openvino")


def test_a_trial_that_was_refused_has_no_median() -> None:
    assert Trial(Recipe("eager"), samples_s=(0.1,), refused="wrong outputs").median_s is None


def test_files_hold_what_their_runtime_runs() -> None:
    assert Recipe("openvino+int8").fits(".xml")
    assert not Recipe("openvino+int8").fits(".onnx")
    assert not Recipe("onnxruntime").fits(".xml")
    assert Recipe("eager+folded+channels_last+bfloat16").fits(".pt2")
    assert not Recipe("compile+folded+channels_last").fits(".pt2")
