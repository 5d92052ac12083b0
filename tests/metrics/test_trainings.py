"""Training costs: published sums come out, a run's own record is priced, mistakes are told."""

from math import floor
from pathlib import Path

import pytest
from by_hand import made_run, row_of_pes

import steelyard as sy
from steelyard import metrics
from steelyard.errors import InputError, UnknownNameError, UsageError
from steelyard.metrics.trainings import run_hours
from steelyard.train.run import Run

ROWS = {row.name: row for row in metrics.training_costs().rows}


def test_published_sums() -> None:
    assert metrics.training_cost(512, 2.5 * 24, 8).value == 245_760
    assert ROWS["XLNet-Large"].usd == 245_760
    assert floor(245_760 / 1000) == ROWS["XLNet-Large"].published_usd / 1000
    assert ROWS["XLNet-Large by devices"].usd == 61_440
    assert round(ROWS["AmoebaNet-D N6F256"].usd or 0, 2) == 49.30
    assert round(ROWS["ResNet-152 (DAWNBench)"].usd or 0, 2) == 1112.64
    for name in (
        "Transformer base",
        "Transformer big",
        "ELMo",
        "BERT base",
        "GPT-2",
        "Evolved Transformer search",
        "Evolved Transformer search, spot",
    ):
        assert round(ROWS[name].usd or 0) == ROWS[name].published_usd
    # the printed hours and the printed sum do not belong together; the sum is that of ten hours more
    tpu = ROWS["Evolved Transformer search, TPU"]
    assert round((tpu.hours + 10) * 4.5) == round(tpu.published_usd or 0)
    for row in ROWS.values():
        if row.published_device_days is not None:
            assert row.device_days == row.published_device_days
    assert ROWS["AmoebaNet-A search"].usd is None
    assert "no dated price" in ROWS["AmoebaNet-A search"].note


def test_prices_are_dated_and_sourced() -> None:
    assert all(one.date[:2] == "20" and one.source and one.evidence for one in metrics.prices())
    assert metrics.price("p100").usd_per_hour == 1.46
    assert metrics.price("p100", "preemptible").usd_per_hour == 0.43
    with pytest.raises(UnknownNameError, match="no price is named 'p10'"):
        metrics.price("p10")
    with pytest.raises(UsageError, match="-1 hours"):
        metrics.training_cost(1, -1, 1)


def test_a_run_by_its_own_record(digits_run: Path) -> None:
    # 36 s an epoch, 30 epochs in the recipe, two of which are over
    hours, processes, per_s = run_hours(Run.open(digits_run))
    assert (hours, processes, per_s) == (pytest.approx(0.3), 1, pytest.approx(750))
    (digits_run / "timing.jsonl").write_text("")
    with pytest.raises(InputError, match="no record of time"):
        run_hours(Run.open(digits_run))
    (digits_run / "timing.jsonl").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        run_hours(Run.open(digits_run))


def test_runs_that_differ_in_processes(digits_run: Path, tmp_path: Path) -> None:
    four = made_run(tmp_path / "four", processes=4, per_s=(2400.0,))
    runs = [Run.open(four), Run.open(digits_run)]
    # 2400 images a second of four processes against 750 of one
    assert metrics.measured_machines(runs).value == pytest.approx(0.8)
    assert metrics.measured_machines(runs[:1]).value is None


def test_a_card_with_a_run(digits_run: Path) -> None:
    source = "lenet_caffe:num_classes=10,in_channels=1,resolution=16"
    card = sy.scorecard(source, row_of_pes(4), run=digits_run, training_price=2.0, pe_factors=())
    assert card.metric("accuracy").value == 92.0
    # 0.3 hours of one process
    assert card.metric("cost").other("training cost").value == pytest.approx(0.6)
    # 64 images at 750 a second, then 7/4 of 4 B a parameter over 1.25 GB/s
    step = 64 / 750
    reduce = 7 / 4 * 4 * sy.capture(source).params / 1.25e9
    found = card.metric("scalability").other("training, speed-up per machine of 8")
    assert found.value == pytest.approx(step / (step + reduce))
    unpriced = sy.scorecard(source, row_of_pes(4), run=[digits_run], pe_factors=())
    why = unpriced.metric("cost").other("training cost").unavailable
    assert why.startswith("1 x 0.3 h of the training's device, and its price is not known")
