"""Data sets from the command line: which there are, whether one is whole, and tiny ones."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

_PLAIN_WIDTH = 160


@dataclass(frozen=True)
class List:
    """Say which data sets are read, and of one what has to lie where.

    Attributes:
        name: a data set; without it all of them are listed.
    """

    name: tyro.conf.Positional[str | None] = None

    def run(self, console: Console) -> int:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

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
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for title in ("name", "data set", "camera", "gives", "splits"):
            table.add_column(title, no_wrap=title == "name")
        for entry in DATA_SETS.values():
            table.add_row(
                entry.name, entry.title, entry.camera, entry.gives, ", ".join(entry.splits)
            )
        console.print(table)
        return 0


@dataclass(frozen=True)
class Check:
    """Look whether a data set is there, whole and plausible. Nothing is written.

    Attributes:
        name: of the data set, see `depth-perception data list`.
        root: its folder.
        split: a split that must be there; otherwise any.
        listing: list of the frames instead of the usual one.
        sample: frames of each split that are read; 0 reads all.
        json_file: write the result here.
    """

    name: tyro.conf.Positional[str]
    root: tyro.conf.Positional[Path]
    split: str | None = None
    listing: Annotated[Path | None, tyro.conf.arg(name="list")] = None
    sample: int = 6
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None

    def run(self, console: Console) -> int:
        from ..data.check import check
        from ..data.registry import data_set

        if self.sample < 0:
            raise ValueError(f"--sample must not be negative, got {self.sample}")
        splits = None if self.split is None else (self.split,)
        result = check(
            data_set(self.name), self.root, splits=splits, listing=self.listing, sample=self.sample
        )
        for split in result.splits:
            console.print(f"{split.name} {split.frames} frames" if not split.absent else
                          f"{split.name}: none ({split.absent})")  # fmt: skip
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
            self.json_file.parent.mkdir(parents=True, exist_ok=True)
            content = asdict(result) | {"root": str(result.root), "usable": result.usable}
            self.json_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return 0 if result.usable else 1


@dataclass(frozen=True)
class Tiny:
    """Write a few small frames of synthetic worlds in the very layout of a data set.

    Attributes:
        name: of the data set.
        out: a folder, empty or not there.
    """

    name: tyro.conf.Positional[str]
    out: tyro.conf.Positional[Path]

    def run(self, console: Console) -> int:
        from ..data.tiny import write_tiny

        made = write_tiny(self.name, self.out)
        counts = ", ".join(f"{split} {len(frames)}" for split, frames in made.items())
        console.print(f"{self.out}: {self.name}, {counts} frames")
        return 0


@dataclass(frozen=True)
class Index:
    """Write the list of a split of Cityscapes-DVPS, as PanopticDepth's converter does.

    Attributes:
        root: the folder `video_sequence`.
        split: part of the data set.
    """

    root: tyro.conf.Positional[Path]
    split: str = "train"

    def run(self, console: Console) -> int:
        from ..data.dvps import index_path, write_index

        count = write_index(self.root, self.split)
        console.print(f"{index_path(self.root, self.split)}: {count} frames")
        return 0


Action = (
    Annotated[List, tyro.conf.subcommand("list", prefix_name=False)]
    | Annotated[Check, tyro.conf.subcommand("check", prefix_name=False)]
    | Annotated[Tiny, tyro.conf.subcommand("tiny", prefix_name=False)]
    | Annotated[Index, tyro.conf.subcommand("index", prefix_name=False)]
)


def main(action: tyro.conf.OmitArgPrefixes[Action]) -> int:
    """Data sets in their published layouts: ``list``, ``check``, ``tiny`` or ``index``.

    Args:
        action: what to do.
    """
    console = Console(markup=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, soft_wrap=True, width=_PLAIN_WIDTH)
    try:
        return action.run(console)
    except KeyError as error:  # str() of a KeyError would put quotes around the text
        print(f"depth-perception data: {error.args[0]}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(f"depth-perception data: {error}", file=sys.stderr)
    return 1
