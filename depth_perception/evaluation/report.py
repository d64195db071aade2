"""Evaluations for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .evaluate import Evaluation, EvaluationProtocol
from .metrics import DepthMetrics
from .pinhole import RelativeEvaluation

_HEADER = (
    "model", "frames", "MAE m", "AbsRel", "SqRel m", "RMSE m", "RMSE log10", "log10",
    "δ<1.25", "δ<1.25²", "δ<1.25³",
)  # fmt: skip

_RELATIVE_HEADER = ("model", "frames", "AbsRel", "δ<1.25^½", "δ<1.25", "δ<1.25²", "δ<1.25³")


def table(evaluations: Sequence[Evaluation]) -> Table:
    """The numbers on a terminal; parts of the data set are indented."""
    result = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, title in enumerate(_HEADER):
        result.add_column(title, justify="left" if index == 0 else "right", no_wrap=True)
    for row in _rows(evaluations):
        result.add_row(*row)
    return result


def markdown(evaluations: Sequence[Evaluation]) -> str:
    """The same as a Markdown table."""
    lines = ["| " + " | ".join(_HEADER) + " |", "|---" + "|--:" * (len(_HEADER) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in _rows(evaluations)]
    return "\n".join(lines) + "\n"


def document(
    evaluations: Sequence[Evaluation], protocol: EvaluationProtocol, dataset: str
) -> dict[str, Any]:
    """The same for a program, as plain values."""
    return {
        "dataset": dataset,
        "protocol": {**asdict(protocol), "alignment": protocol.alignment.value},
        "evaluations": [
            {
                **asdict(e),
                "groups": {label: {"frames": n, "metrics": asdict(m)} for label, n, m in e.groups},
            }
            for e in evaluations
        ],
    }


def relative_table(
    evaluations: Sequence[RelativeEvaluation], published: tuple[float, float] | None = None
) -> Table:
    """The five numbers of Pixel-Perfect Depth, with what its authors publish where that is known
    (AbsRel and the share below 1.25)."""
    result = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, title in enumerate(_RELATIVE_HEADER):
        result.add_column(title, justify="left" if index == 0 else "right", no_wrap=True)
    for row in _relative_rows(evaluations, published):
        result.add_row(*row)
    return result


def relative_markdown(
    evaluations: Sequence[RelativeEvaluation], published: tuple[float, float] | None = None
) -> str:
    """The same as a Markdown table."""
    rows = [_RELATIVE_HEADER, *_relative_rows(evaluations, published)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" + "|--:" * (len(rows[0]) - 1) + "|", *lines[1:]]) + "\n"


def relative_document(
    evaluations: Sequence[RelativeEvaluation],
    benchmark: str,
    dataset: str,
    published: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """The same for a program, as plain values."""
    known = None if published is None else {"abs_rel": published[0], "d1": published[1]}
    return {
        "dataset": dataset,
        "benchmark": benchmark,
        "protocol": "ppd",
        "evaluations": [asdict(e) for e in evaluations],
        "published": known,
    }


def _relative_rows(
    evaluations: Sequence[RelativeEvaluation], published: tuple[float, float] | None
) -> list[tuple[str, ...]]:
    rows = []
    for e in evaluations:
        m = e.metrics
        numbers = (m.abs_rel, m.d0_5, m.d1, m.d2, m.d3)
        rows.append((e.name, str(e.frames), *(f"{value:.3f}" for value in numbers)))
    if published is not None:
        rows.append(("published", "", f"{published[0]:.3f}", "", f"{published[1]:.3f}", "", ""))
    return rows


def _rows(evaluations: Sequence[Evaluation]) -> list[tuple[str, ...]]:
    rows = []
    for e in evaluations:
        rows.append((e.name, str(e.frames), *_numbers(e.metrics)))
        rows += [(f"  {label}", str(n), *_numbers(m)) for label, n, m in e.groups]
    return rows


def _numbers(metrics: DepthMetrics) -> tuple[str, ...]:
    return tuple(f"{value:.3f}" for value in astuple(metrics))
