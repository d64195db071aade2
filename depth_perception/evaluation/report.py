"""Evaluations for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .evaluate import Evaluation, EvaluationProtocol
from .metrics import DepthMetrics

_HEADER = (
    "model", "frames", "MAE m", "AbsRel", "SqRel m", "RMSE m", "RMSE log10", "log10",
    "δ<1.25", "δ<1.25²", "δ<1.25³",
)  # fmt: skip


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


def _rows(evaluations: Sequence[Evaluation]) -> list[tuple[str, ...]]:
    rows = []
    for e in evaluations:
        rows.append((e.name, str(e.frames), *_numbers(e.metrics)))
        rows += [(f"  {label}", str(n), *_numbers(m)) for label, n, m in e.groups]
    return rows


def _numbers(metrics: DepthMetrics) -> tuple[str, ...]:
    return tuple(f"{value:.3f}" for value in astuple(metrics))
