"""Panoptic quality on synthetic worlds: rules, and the shares of near things that are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..segment_classes import PanopticClass
from .panoptic import PanopticRules, match_segments

FOUND: Mapping[str, tuple[str, float]] = {"cars": ("car", 20.0), "persons": ("person", 15.0)}
"""Shares of things that a predicted segment matches: their class, and their greatest range in
metres, the median over their visible pixels."""


def world_rules(classes: Sequence[PanopticClass]) -> PanopticRules:
    """Rules for the classes of a model; means are over the classes that occur."""
    things = tuple(number for number, entry in enumerate(classes) if entry.is_thing)
    count = len(classes)
    return PanopticRules(count, things, ignored_class=count, averaged="occurring")


def found_counts(
    segments: Tensor,
    ground_truth: Tensor,
    range_m: Tensor,
    names: Sequence[str],
    rules: PanopticRules,
) -> dict[str, tuple[float, float]]:
    """By name of :data:`FOUND`: things that are matched, and all that are near enough.

    Args:
        segments, ground_truth: (H, W) integers, as for :func:`~.panoptic.match_segments`.
        range_m: (H, W) true range, 0 where unknown.
        names: of the classes by their numbers.
    """
    found = {}
    for what, (name, most_m) in FOUND.items():
        number = names.index(name)
        is_class = torch.div(ground_truth, rules.divisor, rounding_mode="floor") == number
        near = torch.full_like(ground_truth, rules.void)
        for thing in ground_truth[is_class].unique().tolist():
            pixels = ground_truth == thing
            known = range_m[pixels & (range_m > 0)]
            if known.numel() and float(known.median()) <= most_m:
                near[pixels] = thing
        counts = match_segments(segments, near, rules)
        matched = float(counts.tp[number])
        found[what] = (matched, matched + float(counts.fn[number]))
    return found
