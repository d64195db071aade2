"""Tables for the terminal and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table


@dataclass(frozen=True)
class Sheet:
    """A table: its first ``text_columns`` are text, the others are numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1

    def table(self) -> Table:
        """For a terminal."""
        result = Table(box=SIMPLE_HEAD, pad_edge=False)
        for index, title in enumerate(self.header):
            side = "left" if index < self.text_columns else "right"
            result.add_column(title, justify=side, no_wrap=True)
        for row in self.rows:
            result.add_row(*row)
        return result

    def markdown(self) -> str:
        """As a Markdown table."""
        head, *rows = ("| " + " | ".join(row) + " |" for row in (self.header, *self.rows))
        line = "|---" * self.text_columns + "|--:" * (len(self.header) - self.text_columns) + "|"
        return "\n".join([head, line, *rows]) + "\n"
