"""What goes wrong in a row stays in that row: crashes, wrong outputs, memory, prints."""

from pathlib import Path

import pytest

import steelyard as sy
from steelyard.errors import BackendError, UnknownNameError, UsageError


@pytest.fixture(autouse=True)
def _networks_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def reason(network: str, **settings: int) -> str:
    """Why the row of that network failed."""
    result = sy.measure_all([f"networks_that_fail:{network}"], budget_s=0.01, threads=[1])
    assert not result.rows
    return result.failures[0].reason


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ("Crashing", "died of SIGSEGV"),
        ("Leaving", "ended with 3: goodbye"),
        ("Raising", "raised RuntimeError: no luck today"),
        ("Moody", "differ from float32 in PyTorch"),
        ("Infinite", "not finite where the float32 reference is"),
        ("Shapeless", "does not say what inputs it takes"),
    ],
)
def test_a_fault_is_an_error_of_its_row(network: str, says: str) -> None:
    assert says in reason(network)


def test_other_rows_stand() -> None:
    result = sy.measure_all(
        ["networks_that_fail:Crashing", "networks_that_fail:Small"], budget_s=0.01, threads=[1]
    )
    assert [row.network for row in result.rows] == ["networks_that_fail:Small"]
    assert [row.network for row in result.failures] == ["networks_that_fail:Crashing"]
    row = result.rows[0]
    assert len(row.samples_s) >= 10
    assert row.deviation == 0.0
    assert row.energy.joules is not None or row.energy.unavailable


def test_a_batch_that_needs_too_much_memory_fails_alone() -> None:
    result = sy.measure_all(
        ["networks_that_fail:TooLarge"], batches=[1, 2], budget_s=0.01, threads=[1]
    )
    assert [row.batch for row in result.rows] == [1]
    assert "memory" in result.failures[0].reason
    assert result.failures[0].batch == 2


def test_what_a_network_prints_is_no_answer() -> None:
    result = sy.measure_all(["networks_that_fail:Talking"], budget_s=0.01, threads=[1])
    assert len(result.rows) == 1


def test_a_module_is_measured_in_this_process() -> None:
    from networks_that_fail import Small  # type: ignore[import-not-found]

    row = sy.measure(Small(), batch=3, threads=1, budget_s=0.01)
    assert row.network == "Small"
    assert row.pinned == ()
    assert row.throughput == pytest.approx(3 / row.median_s)


def test_one_network_that_fails_raises() -> None:
    with pytest.raises(BackendError, match="no luck today"):
        sy.measure("networks_that_fail:Raising", threads=1)


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        ("eagre", "no backend is named 'eagre'"),
        ("eager+channel_last", "nearest: channels_last"),
        ("eager+bfloat16+float16", "expected: one precision"),
        ("eager+folded+folded", "expected: each once"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_runs(backend: str, says: str) -> None:
    with pytest.raises((UnknownNameError, UsageError), match=says.replace("+", r"\+")):
        sy.measure("lenet5", backend=backend)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"batches": [0]}, "a batch of 0"),
        ({"threads": [0]}, "0 threads"),
        ({"budget_s": 0.0}, "a budget of 0.0 s"),
        ({"backends": []}, "nothing to measure"),
    ],
)
def test_impossible_numbers_are_refused(wrong: dict[str, list[int]], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        sy.measure_all(["lenet5"], **wrong)  # type: ignore[arg-type]


def test_archives_and_workloads_are_not_run(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(sy.capture("lenet5").to_json())
    with pytest.raises(BackendError, match="costs without weights, which nothing can run"):
        sy.measure(str(path))
