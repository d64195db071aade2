"""Evaluations of any kind for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Protocol

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .metrics import DepthMetrics
from .nyu_kitti import PhotoMetrics
from .published_spherical import SphericalMetrics
from .relative import RelativeMetrics

Metrics = DepthMetrics | RelativeMetrics | PhotoMetrics | SphericalMetrics

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "mae": "MAE m",
        "abs_rel": "AbsRel",
        "sq_rel": "SqRel m",
        "rms": "RMSE m",
        "rmse": "RMSE m",
        "log_rms": "RMSE log10",
        "rmse_log": "RMSE ln",
        "log10": "log10",
        "silog": "SILog",
        "d0_5": "δ<1.25^½",
        **{f"{letter}1": "δ<1.25" for letter in "ad"},
        **{f"{letter}2": "δ<1.25²" for letter in "ad"},
        **{f"{letter}3": "δ<1.25³" for letter in "ad"},
    }
)
"""What the numbers are called in tables, in the order in which they stand there."""


class Evaluated(Protocol):
    """The mean of one model over the frames of a data set; a dataclass."""

    name: str
    frames: int
    metrics: Metrics


@dataclass(frozen=True)
class Sheet:
    """A table: the first column is text, the others are numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(
        cls, evaluations: Sequence[Evaluated], published: Mapping[str, float] | None = None
    ) -> Sheet:
        """One row for each evaluation, indented ones for parts of the data set.

        Args:
            evaluations: with numbers of one kind.
            published: figures of the authors by the names of the numbers, as the last row.
        """
        present = asdict(evaluations[0].metrics)
        names = [name for name in TITLES if name in present]
        rows = []
        for e in evaluations:
            rows.append((e.name, str(e.frames), *_cells(asdict(e.metrics), names)))
            for label, frames, metrics in getattr(e, "groups", ()):
                rows.append((f"  {label}", str(frames), *_cells(asdict(metrics), names)))
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
    evaluations: Sequence[Evaluated],
    published: Mapping[str, float] | None = None,
    **about: Any,
) -> dict[str, Any]:
    """The same for a program, as plain values; ``about`` says what was judged and how."""
    return {
        **about,
        "evaluations": [_plain(e) for e in evaluations],
        "published": None if published is None else dict(published),
    }


def _plain(evaluated: Evaluated) -> dict[str, Any]:
    values = asdict(evaluated)  # type: ignore[call-overload]
    if "groups" in values:
        groups = evaluated.groups  # type: ignore[attr-defined]
        values["groups"] = {x: {"frames": n, "metrics": asdict(m)} for x, n, m in groups}
    return values


def _cells(values: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{values[name]:.3f}" if name in values else "" for name in names]
