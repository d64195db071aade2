"""3D60 through the common evaluator: as published and stricter."""

from __future__ import annotations

import pytest
import torch
from golden.blindspot_reference import FOLDER

from depth_perception.data.threed60 import Pairs, Views, read_list
from depth_perception.evaluation.alignment import Alignment
from depth_perception.evaluation.loop import Values, evaluate
from depth_perception.evaluation.plain import PlainProtocol

FIXTURE = FOLDER / "fixture-3d60"


@pytest.mark.parametrize("solid_angle", [False, True])
@pytest.mark.parametrize("alignment", [Alignment.NONE, Alignment.MEDIAN])
def test_views_and_pairs_are_judged(alignment, solid_angle):
    places = read_list(FIXTURE / "split.txt", FIXTURE)
    protocol = PlainProtocol(8.0, alignment, solid_angle)
    for reader in (Views(places), Pairs(places)):
        truths = {reader[i].rgb.sum().item(): reader[i].range_m for i in range(3)}

        def doubled(sample, truths=truths):
            return Values(2 * truths[sample.image.sum().item()])

        result = evaluate("doubled", doubled, reader, protocol)
        assert result.frames == 3
        expected = 0 if alignment is Alignment.MEDIAN else 1
        assert result.metrics["abs_rel"] == pytest.approx(expected, abs=1e-6)

    def far(sample):
        return Values(torch.full(sample.image.shape[:2], 4.0))

    result = evaluate("constant", far, Views(places), protocol)
    assert 0.1 < result.metrics["abs_rel"] < 5
