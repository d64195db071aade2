"""Where the results of benches go."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import tyro
from rich.console import Console

if TYPE_CHECKING:
    from ...bench.hardware import Hardware
    from ...bench.report import Report

T = TypeVar("T")
_PLAIN_WIDTH = 200  # columns of a table that is piped into a file or another program
_NOT_OF_THE_BENCH = {"output", "picture"}


@dataclass(frozen=True)
class Output:
    """Where results go besides the terminal.

    Attributes:
        json_file: write all numbers here.
        markdown: write the table here.
        folder: write all numbers into this folder, in a file named by bench, precision and
            backends if they are not the usual ones, and hardware.
    """

    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None
    markdown: Path | None = None
    folder: Path | None = None

    def save(
        self, name: str, machine: Hardware, content: Mapping[str, Any], text: str = ""
    ) -> None:
        """Write what is asked for."""
        numbers = json.dumps(content, indent=1, default=str) + "\n"
        file = self.folder / f"{name}-{_slug(machine)}.json" if self.folder else None
        for path, out in ((self.json_file, numbers), (self.markdown, text), (file, numbers)):
            if path is not None and out:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(out, encoding="utf-8")


def show(report: Report, output: Output, console: Console) -> None:
    """Print a report and write its files."""
    from ...bench.report import document, lines, markdown, table

    show_table(table(report), console)
    for line in lines(report):
        console.print(line)
    output.save(file_name(report), report.hardware, document(report), markdown(report))


def file_name(report: Report) -> str:
    """Bench, model and input, then precision and backends where they are not the usual ones."""
    settings = report.settings
    words = [str(settings[key]) for key in ("model", "input") if key in settings]
    if settings.get("precision", "float32") != "float32":
        words.append(settings["precision"])
    if settings.get("backends", ["torch"]) != ["torch"]:
        words += settings["backends"]
    return "-".join((report.bench, *words)).replace(":", "-")


def show_table(table: object, console: Console) -> None:
    """As wide as the terminal, or as it likes in a file."""
    (console if console.is_terminal else Console(width=_PLAIN_WIDTH)).print(table)


def filled(kind: type[T], way: object, **given: object) -> T:
    """Options of a bench: what the command ``way`` says under the same names, and what is given.

    None for a device becomes one that is there.
    """
    known = {f.name for f in fields(kind)}
    said = {f.name: getattr(way, f.name) for f in fields(way)}  # type: ignore[arg-type]
    if foreign := said.keys() - known - _NOT_OF_THE_BENCH:
        raise TypeError(f"{kind.__name__} has no {', '.join(sorted(foreign))}")
    taken = {name: value for name, value in said.items() if name in known}
    return kind(**{**taken, "device": chosen_device(taken["device"]), **given})


def chosen_device(name: str | None) -> str:
    """That device, else CUDA where there is one."""
    if name is not None:
        return name
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _slug(machine: Hardware) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", machine.device.lower()).strip("-")
    return f"{words}-{machine.threads}-threads"
