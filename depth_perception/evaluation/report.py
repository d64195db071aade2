"""Evaluations as tables for people and as documents for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .loop import Evaluation
from .metrics import TITLES


@dataclass(frozen=True)
class Sheet:
    """A table: the first column is text, the others are numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(
        cls, evaluations: Sequence[Evaluation], published: Mapping[str, float] | None = None
    ) -> Sheet:
        """One row for each evaluation, indented ones for parts of the data set.

        Args:
            evaluations: with the same metrics.
            published: figures of the authors by the names of the metrics, as the last row.
        """
        names = [name for name in TITLES if name in evaluations[0].metrics]
        rows = []
        for e in evaluations:
            rows.append((e.name, str(e.frames), *_cells(e.metrics, names)))
            for label, frames, metrics in e.groups:
                rows.append((f"  {label}", str(frames), *_cells(metrics, names)))
        if published is not None:
            rows.append(("published", "", *_cells(published, names)))
        return cls(("model", "frames", *(TITLES[name] for name in names)), tuple(rows))

    def table(self) -> Table:
        """For a terminal."""
        result = Table(box=SIMPLE_HEAD, pad_edge=False)
        for index, title in enumerate(self.header):
            result.add_column(title, justify="left" if index == 0 else "right", no_wrap=True)
        for row in self.rows:
            result.add_row(*row)
        return result

    def markdown(self) -> str:
        """As a Markdown table."""
        head, *rows = ["| " + " | ".join(row) + " |" for row in (self.header, *self.rows)]
        line = "|---" + "|--:" * (len(self.header) - 1) + "|"
        return "\n".join([head, line, *rows]) + "\n"


def document(
    evaluations: Sequence[Evaluation], published: Mapping[str, float] | None = None, **about: Any
) -> dict[str, Any]:
    """Evaluations as plain values; ``about`` describes data set and protocol."""
    return {
        **about,
        "evaluations": [_plain(e) for e in evaluations],
        "published": None if published is None else dict(published),
    }


def _plain(evaluation: Evaluation) -> dict[str, Any]:
    groups = {x: {"frames": n, "metrics": dict(m)} for x, n, m in evaluation.groups}
    return {**vars(evaluation), "metrics": dict(evaluation.metrics), "groups": groups}


def _cells(values: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{values[name]:.3f}" if name in values else "" for name in names]
