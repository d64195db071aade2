"""Data sets on the command line: list them, verify one, write tiny ones."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ..data.names import check_name
from ..io.atomic import write_bytes
from ..options import documented, flag, option
from .terminal import failed, plain_table, table_console

if TYPE_CHECKING:
    from rich.console import Console


@documented
@dataclass(frozen=True)
class List:
    """List the data sets that can be read, or describe the layout of one."""

    name: tyro.conf.Positional[str | None] = flag(None, "a data set; without it all are listed.")

    def run(self, console: Console) -> int:
        if self.name is not None:
            check_name(self.name)

        from ..data.registry import DATA_SETS, data_set

        if self.name is not None:
            entry = data_set(self.name)
            rows = {
                "data set": entry.title,
                "camera": entry.camera,
                "gives": entry.gives,
                "below its root": entry.layout,
                "depth": entry.unit,
                "splits": f"{', '.join(entry.splits)}: {entry.rule}",
                "used by": ", ".join(entry.used_by),
            }
            for title, text in rows.items():
                console.print(f"{title:<16}{text}")
            return 0
        table = plain_table()
        for title in ("name", "data set", "camera", "gives", "splits"):
            table.add_column(title, no_wrap=title == "name")
        for entry in DATA_SETS.values():
            table.add_row(
                entry.name, entry.title, entry.camera, entry.gives, ", ".join(entry.splits)
            )
        console.print(table)
        return 0


@documented
@dataclass(frozen=True)
class Check:
    """Verify that a data set is complete and plausible. Nothing is written."""

    name: tyro.conf.Positional[str] = flag(MISSING, "a data set, see `depth-perception data list`.")
    root: tyro.conf.Positional[Path] = flag(MISSING, "folder of the data set.")
    split: str | None = flag(None, "require this split; by default any.")
    listing: Annotated[Path | None, tyro.conf.arg(name="list")] = flag(
        None, "list of frames; by default the official one."
    )
    sample: int = option(6, "number of frames to read of each split; 0 reads all.")
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = flag(
        None, "also write the result to this file."
    )

    def run(self, console: Console) -> int:
        check_name(self.name)

        from ..data.check import check
        from ..data.registry import data_set

        if self.sample < 0:
            raise ValueError(f"--sample must not be negative, got {self.sample}")
        splits = None if self.split is None else (self.split,)
        result = check(
            data_set(self.name), self.root, splits=splits, listing=self.listing, sample=self.sample
        )
        for part in result.splits:
            missing = f": none ({part.absent})" if part.absent else f" {part.frames} frames"
            console.print(f"{part.name}{missing}")
        for (height, width), count in result.sizes:
            console.print(f"{width} x {height} pixels in {count} of {result.read} frames read")
        if (depth := result.depth) is not None:
            console.print(
                f"depth {depth.least_m:.3f} to {depth.most_m:.3f} m, median {depth.median_m:.3f} "
                f"m, known in {depth.known:.1%} of the pixels"
            )
        for text in result.oddities:
            console.print(f"odd: {text}")
        for text in result.problems:
            console.print(f"wrong: {text}")
        verdict = "OK" if result.usable else "unusable"
        console.print(f"{result.name} in {result.root}: {verdict}")
        if self.json_file is not None:
            content = asdict(result) | {"root": str(result.root), "usable": result.usable}
            write_bytes(self.json_file, f"{json.dumps(content, indent=2)}\n".encode())
        return 0 if result.usable else 1


@documented
@dataclass(frozen=True)
class Tiny:
    """Write a few small frames of synthetic worlds in the layout of a data set."""

    name: tyro.conf.Positional[str] = flag(MISSING, "a data set, see `depth-perception data list`.")
    out: tyro.conf.Positional[Path] = flag(MISSING, "folder to write, empty or missing.")

    def run(self, console: Console) -> int:
        check_name(self.name)

        from ..data.tiny import write_tiny

        made = write_tiny(self.name, self.out)
        counts = ", ".join(f"{split} {len(frames)}" for split, frames in made.items())
        console.print(f"{self.out}: {self.name}, {counts} frames")
        return 0


@documented
@dataclass(frozen=True)
class Index:
    """Write the list of frames of a Cityscapes-DVPS split, like PanopticDepth's converter."""

    root: tyro.conf.Positional[Path] = flag(MISSING, "the folder `video_sequence`.")
    split: str = option("train", "train, val or test.")

    def run(self, console: Console) -> int:
        from ..data.dvps import index_path, write_index

        count = write_index(self.root, self.split)
        console.print(f"{index_path(self.root, self.split)}: {count} frames")
        return 0


def main(
    action: tyro.conf.OmitArgPrefixes[
        tyro.conf.OmitSubcommandPrefixes[List | Check | Tiny | Index]
    ],
) -> int:
    """Data sets in their published layouts.

    Args:
        action: what to do.
    """
    console = table_console(160, markup=False, highlight=False, soft_wrap=True)
    try:
        return action.run(console)
    except (KeyError, OSError, ValueError) as error:
        return failed("data", error)
