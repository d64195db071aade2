"""The evaluator on data whose answer is known."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import pytest
import torch
from rich.console import Console

from depth_perception.evaluation.alignment import Alignment, aligned_depth
from depth_perception.evaluation.loop import Sample, Values, evaluate
from depth_perception.evaluation.plain import (
    PlainProtocol,
    constant,
    median_depth_m,
    predict_values,
    untrained,
)
from depth_perception.evaluation.report import document, sheet
from depth_perception.prediction import AffineInvariantError, DepthSpace


@dataclass(frozen=True)
class Item:
    rgb: torch.Tensor
    range_m: torch.Tensor


class Ranges:
    """Frames whose first colour channel holds the range in decimetres."""

    def __init__(self, *ranges: torch.Tensor) -> None:
        self._ranges = ranges

    def __len__(self) -> int:
        return len(self._ranges)

    def __getitem__(self, index: int) -> Item:
        range_m = self._ranges[index]
        rgb = (10 * range_m).round().to(torch.uint8).expand(3, *range_m.shape)
        return Item(rgb, range_m)


def read_from_colour(sample: Sample) -> Values:
    return Values(sample.image[..., 0] / 10)


@pytest.fixture
def reader() -> Ranges:
    generator = torch.Generator().manual_seed(0)
    frames = [torch.randint(10, 60, (14, 28), generator=generator) / 10 for _ in range(3)]
    frames[1][:4] = 0  # sky
    frames[1][4:6] = 25.0  # beyond what is judged
    return Ranges(*frames, torch.zeros(14, 28))


def test_the_truth_is_perfect_and_counts_are_right(reader: Ranges) -> None:
    result = evaluate(
        "truth", read_from_colour, reader, PlainProtocol(), groups=["a", "b", "a", "b"]
    )
    assert (result.frames, result.skipped) == (3, 1)
    assert result.pixels == 2 * 14 * 28 + 8 * 28
    assert result.metrics["abs_rel"] == pytest.approx(0, abs=1e-6)
    assert result.metrics["a1"] == pytest.approx(1)
    assert [(label, count) for label, count, _ in result.groups] == [("a", 2), ("b", 1)]


def test_indices_choose_frames(reader: Ranges) -> None:
    result = evaluate("x", constant(2.0), reader, PlainProtocol(), indices=[0])
    assert result.frames == 1
    truth = reader[0].range_m
    assert result.metrics["mae"] == pytest.approx(float((truth - 2).abs().mean()), rel=1e-5)


def test_solid_angle_discounts_the_poles() -> None:
    range_m = torch.full((14, 28), 2.0)
    range_m[:3] = 4.0
    flat = evaluate("x", constant(2.0), Ranges(range_m), PlainProtocol())
    sphere = evaluate("x", constant(2.0), Ranges(range_m), PlainProtocol(solid_angle=True))
    assert flat.metrics["mae"] == pytest.approx(2 * 3 / 14)
    cap = (1 - torch.cos(torch.tensor(3 / 14 * torch.pi))) / 2
    assert sphere.metrics["mae"] == pytest.approx(2 * float(cap), rel=1e-4)


@pytest.mark.parametrize("space", list(DepthSpace))
def test_scale_and_shift_are_fitted_in_the_space_of_the_values(space: DepthSpace) -> None:
    truth = torch.linspace(1, 8, 50).view(5, 10)
    values = {
        "depth": truth,
        "inverse_depth": 1 / truth,
        "log_depth": truth.log(),
        "log1p_depth": truth.log1p(),
    }[space.value]
    prediction = Values(3 * values + 1, space)
    depth = aligned_depth(prediction, truth, truth > 0, Alignment.SCALE_SHIFT, 20.0)
    torch.testing.assert_close(depth, truth, atol=2e-3, rtol=1e-3)


def test_median_depth_of_a_data_set(reader: Ranges) -> None:
    values = torch.cat([reader[i].range_m.flatten() for i in range(3)])
    values = values[(values > 0) & (values <= 20)]
    assert median_depth_m(reader, 20.0) == pytest.approx(float(values.median()), abs=0.011)
    with pytest.raises(ValueError, match="no pixel"):
        median_depth_m(Ranges(torch.zeros(2, 4)), 20.0)


def test_a_constant_must_be_a_depth() -> None:
    with pytest.raises(ValueError, match="positive"):
        constant(0.0)


def test_untrained_networks_depend_on_the_seed_only() -> None:
    image = torch.zeros(28, 56, 3, dtype=torch.uint8)
    first, again, other = (untrained("panda-tiny-metric", seed)(image).depth for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_relative_models_are_not_judged_in_metres() -> None:
    estimator = untrained("panda-tiny", 0)
    sample = PlainProtocol().sample(Item(torch.zeros(3, 28, 56).byte(), torch.ones(28, 56)))
    with pytest.raises(AffineInvariantError):
        predict_values(estimator, Alignment.NONE)(sample)
    assert predict_values(estimator, Alignment.SCALE_SHIFT)(sample).values.shape == (28, 56)


def test_reports_hold_the_same_numbers(reader: Ranges) -> None:
    protocol = PlainProtocol()
    result = evaluate("two metres", constant(2.0), reader, protocol, groups=["a", "b", "a", "b"])
    table = sheet([result], {"abs_rel": 0.125})
    text = table.markdown()
    assert f"{result.metrics['abs_rel']:.3f}" in text
    assert "two metres" in text
    assert text.splitlines()[-1].split("|")[1:5] == [" published ", "  ", "  ", " 0.125 "]
    content = json.loads(json.dumps(document([result], dataset="somewhere")))
    assert content["evaluations"][0]["metrics"]["abs_rel"] == result.metrics["abs_rel"]
    assert content["evaluations"][0]["groups"]["b"]["frames"] == 1
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table.table())
    assert f"{result.metrics['rms']:.3f}" in console.export_text()
