"""The sky of synthetic data sets against the original."""

from __future__ import annotations

import math

import torch
from golden.ppd_reference import case

from depth_perception.training.ppd.data import with_sky


def test_sky_matches_the_original() -> None:
    reference = case("data-sky")
    raw = reference["in_depth"]
    raw = torch.where(raw == -1, math.nan, torch.where(raw == -2, math.inf, raw))
    depth, valid = with_sky(raw)
    reference.assert_close(depth, "out_depth")
    assert torch.equal(valid, reference["out_valid"] > 0)


def test_frames_without_anything_near() -> None:
    depth, valid = with_sky(torch.tensor([math.nan, math.inf, 100.0]))
    assert depth.tolist() == [80, 81, 80]
    assert valid.tolist() == [False, True, False]
