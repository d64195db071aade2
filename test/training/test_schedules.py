"""Learning rates over a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_perception.training.recipe import Clock, Constant, Cosine, Drops, Poly, Schedule

GOLDEN = Path(__file__).parents[1] / "golden"


def rates(schedule: Schedule, steps: int = 100) -> list[float]:
    clock = Clock(steps)
    return [schedule.factor(step, clock.progress(step)) for step in range(steps + 1)]


def test_warm_up_and_cosine() -> None:
    found = rates(Cosine(warmup=10, warmup_from=0.2, final=0.1))
    assert found[0] == pytest.approx(0.2)
    assert found[5] == pytest.approx(0.6, rel=0.01)
    assert max(found) == found[10]
    assert found[50] == pytest.approx(0.55)
    assert found[100] == pytest.approx(0.1)


def test_constant() -> None:
    assert set(rates(Constant())) == {1.0}


def test_drops() -> None:
    found = rates(Drops(at=(0.6, 0.8), factor_each=0.5))
    assert [found[step] for step in (0, 59, 60, 79, 80, 100)] == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_poly_reaches_zero_where_the_original_of_scaledepth_does() -> None:
    # 40,000 iterations of (1 - t / 39999) ** 0.9: the last one changes nothing, 39,999 steps do
    found = rates(Poly(power=0.9), steps=39_999)
    assert found[20_000] == pytest.approx((1 - 20_000 / 39_999) ** 0.9)
    assert found[39_999] == 0


@pytest.mark.parametrize(
    ("variant", "steps", "lr"),
    [("ps-r50-stage1", 130_000, 1e-4), ("ps-r50", 10_000, 1e-5), ("dps-r50", 10_000, 1e-4)],
)
def test_poly_with_a_warm_up_is_that_of_panopticdepth(variant: str, steps: int, lr: float) -> None:
    with np.load(GOLDEN / "panopticdepth" / "golden-schedule.npz") as file:
        expected = file[variant]
    schedule, clock = Poly(power=0.9, warmup=2000, warmup_from=0.001), Clock(steps)
    for step, rate in expected:
        found = lr * schedule.factor(int(step), clock.progress(int(step)))
        assert found == pytest.approx(rate, rel=1e-6)


def test_the_time_ends_a_run_before_its_steps() -> None:
    clock = Clock(steps=100, max_minutes=1)
    clock.elapsed_s = 45
    assert clock.progress(10) == pytest.approx(0.75)
    assert clock.progress(90) == pytest.approx(0.9)


def test_a_negative_warm_up_is_refused() -> None:
    with pytest.raises(ValueError, match="warmup must not be negative, got -1"):
        Poly(warmup=-1)
