"""What the commands share on the terminal: consoles and error messages."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..limits import printable_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_LINES, _LINE_CHARACTERS = 200, 4000


def plain_console() -> Console:
    """A console that prints texts as they are: no markup, no colours, no line breaks."""
    from rich.console import Console

    return Console(markup=False, highlight=False, soft_wrap=True)


def table_console(columns: int, **options: Any) -> Console:
    """A console of rich for tables, ``columns`` wide where the output is not a terminal."""
    from rich.console import Console

    console = Console(**options)
    return console if console.is_terminal else Console(width=columns, **options)


def plain_table(**options: Any) -> Table:
    """A table with a line below the heading only."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(box=SIMPLE_HEAD, pad_edge=False, **options)


def failed(command: str, error: Exception | str, status: int = 1) -> int:
    """Print an error of a command and return the exit status."""
    # str() of a KeyError would put quotes around the text
    text = error.args[0] if isinstance(error, KeyError) else error
    text = printable_lines(text, _LINES, _LINE_CHARACTERS)  # names of files may be anything
    print(f"depth-perception {command}: {text}", file=sys.stderr)
    return status
