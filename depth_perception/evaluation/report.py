"""Evaluations as tables for people and as documents for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import torch

from ..io.sheet import Sheet
from .loop import Evaluation
from .metrics import TITLES
from .panoptic import Average, Groups, PanopticScore


def sheet(evaluations: Sequence[Evaluation], published: Mapping[str, float] | None = None) -> Sheet:
    """One row for each evaluation of the same metrics, indented ones for parts of the data set,
    and the ``published`` figures by the names of the metrics."""
    names = [name for name in TITLES if name in evaluations[0].metrics]
    rows = []
    for e in evaluations:
        rows.append((e.name, str(e.frames), *_cells(e.metrics, names)))
        for label, frames, metrics in e.groups:
            rows.append((f"  {label}", str(frames), *_cells(metrics, names)))
    if published is not None:
        rows.append(("published", "", *_cells(published, names)))
    return Sheet(("model", "frames", *(TITLES[name] for name in names)), tuple(rows))


def document(
    evaluations: Sequence[Evaluation], published: Mapping[str, float] | None = None, **about: Any
) -> dict[str, Any]:
    """Evaluations as plain values; ``about`` describes data set and protocol."""
    return {
        **about,
        "evaluations": [
            {
                **vars(e),
                "metrics": dict(e.metrics),
                "groups": {x: {"frames": n, "metrics": dict(m)} for x, n, m in e.groups},
            }
            for e in evaluations
        ],
        "published": None if published is None else dict(published),
    }


def _cells(values: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{values[name]:.3f}" if name in values else "" for name in names]


Published = Mapping[str, Groups]
"""Number -> percentages of all classes, things and stuff."""

_GROUPS = ("all", "things", "stuff")
_TITLES = {"pq": "PQ", "sq": "SQ", "rq": "RQ", "dpq": "DPQ mean"}


def score_sheet(score: PanopticScore, published: Published | None = None) -> Sheet:
    """One number in a row, for all classes, things and stuff, averaged in both ways."""
    averages = get_args(Average)
    header = ["%"]
    for average in averages:
        header += _GROUPS if average == "all" else [f"{g}, {average}" for g in _GROUPS]
    if published is not None:
        header += [f"{group}, published" for group in _GROUPS]
    either = [dict(_numbers(score, average)) for average in averages]
    rows = []
    for name in either[0]:
        cells = [cell for numbers in either for cell in numbers[name]]
        if published is not None:
            cells += published.get(name, (math.nan,) * len(_GROUPS))
        rows.append((_TITLES.get(name, name), *map(_percent, cells)))
    return Sheet(tuple(header), tuple(rows))


def class_sheet(score: PanopticScore, names: Sequence[str]) -> Sheet:
    """One row for each scored class, by their names; classes that never occur in ground truth or
    predictions have no numbers."""
    dpq = [f"DPQ {threshold:g}" for threshold in score.thresholds]
    counts = ("matched", "missed", "wrong")
    rows = []
    for name, found in score_document(score, names)["classes"].items():
        numbers = (found["pq"], found["sq"], found["rq"], *found["dpq"].values())
        cells = [_percent(number) if found["occurs"] else "" for number in numbers]
        kind = "thing" if found["thing"] else "stuff"
        rows.append((name, kind, *cells, *(str(found[count]) for count in counts)))
    return Sheet(("class", "kind", "PQ", "SQ", "RQ", *dpq, *counts), tuple(rows))


def score_document(
    score: PanopticScore, names: Sequence[str], published: Published | None = None
) -> dict[str, Any]:
    """All numbers as plain values; None for a mean over no class."""
    counts, quality = score.counts[1, 0.0], score.quality()
    by_threshold = {f"{t:g}": score.quality(t).per_class[:, 0] for t in score.thresholds}
    classes = {}
    for number, name in enumerate(names):
        classes[name] = {
            "thing": number in score.rules.things,
            "occurs": bool(quality.occurs[number]),
            **dict(zip(("pq", "sq", "rq"), quality.per_class[number].tolist(), strict=True)),
            "dpq": {threshold: float(pq[number]) for threshold, pq in by_threshold.items()},
            "matched": int(counts.tp[number]),
            "missed": int(counts.fn[number]),
            "wrong": int(counts.fp[number]),
        }

    def by_group(values: Groups) -> dict[str, float | None]:
        plain = (None if math.isnan(value) else value for value in values)
        return dict(zip(_GROUPS, plain, strict=True))

    means = {a: {n: by_group(v) for n, v in _numbers(score, a)} for a in get_args(Average)}
    figures = published and {name: by_group(values) for name, values in published.items()}
    return {
        "frames": score.frames,
        "averaged": score.rules.averaged,
        **means,
        "published": figures,
        "classes": classes,
        "depth": None if score.depth is None else dict(score.depth),
    }


def _numbers(score: PanopticScore, average: Average) -> list[tuple[str, Groups]]:
    """Names and values of all numbers in the order of the table."""
    found: list[tuple[str, Groups]] = []
    for window in score.windows:
        prefix = "" if window == 1 else f"{window} frames: "
        quality = score.quality(window=window, averaged=average)
        if window == 1:
            found += [(name, getattr(quality, name)) for name in ("pq", "sq", "rq")]
        else:
            found.append((f"{prefix}VPQ", quality.pq))
        if not score.thresholds:
            continue
        kind = "DPQ" if window == 1 else f"{prefix}DVPQ"
        for threshold in score.thresholds:
            at = score.quality(threshold, window=window, averaged=average)
            found.append((f"{kind} {threshold:g}", at.pq))
        mean = score.dpq(window=window, averaged=average)
        found.append(("dpq" if window == 1 else f"{kind} mean", mean))
    if len(score.windows) > 1 and score.thresholds:
        each = [score.dpq(window=window, averaged=average) for window in score.windows]
        mean = torch.tensor(each, dtype=torch.float64).mean(0).tolist()
        found.append(("DVPQ, mean over windows", tuple(mean)))
    return found


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1f}"
