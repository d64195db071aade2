"""Verification of a data set: presence, completeness and plausibility of a sample of its frames."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from .registry import DataSet, Reader, depth_of, image_of

_KEPT = 4096  # depth samples kept per frame for the median
_FEW = 5  # number of files listed by name; the others are only counted
_READ_ERRORS = (OSError, ValueError, LookupError, ImportError, TypeError, AttributeError)


@dataclass(frozen=True)
class SplitCheck:
    """Name of a split, number of frames (0 if it cannot be opened), and reason of its absence."""

    name: str
    frames: int
    absent: str = ""


@dataclass(frozen=True)
class DepthSample:
    """Depth of the sampled frames.

    Attributes:
        least_m, median_m, most_m: over all known pixels, metres.
        known: share of the pixels whose depth is known.
    """

    least_m: float
    median_m: float
    most_m: float
    known: float


@dataclass(frozen=True)
class DataCheck:
    """Result of the verification.

    Attributes:
        name, root, splits: name, root folder and splits of the data set.
        sizes: number of sampled images by (height, width).
        read: number of frames read. depth: their depth statistics; None without depth.
        problems: errors that make it unusable. oddities: unusual values that may be valid.
    """

    name: str
    root: Path
    splits: tuple[SplitCheck, ...] = ()
    sizes: tuple[tuple[tuple[int, int], int], ...] = ()
    read: int = 0
    depth: DepthSample | None = None
    problems: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether nothing is missing or broken."""
        return not self.problems


@dataclass
class _Findings:
    problems: list[str] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)
    sizes: dict[tuple[int, int], int] = field(default_factory=dict)
    depths: list[Tensor] = field(default_factory=list)
    least_m: float = math.inf
    most_m: float = 0.0
    known: int = 0
    pixels: int = 0
    read: int = 0


def check(
    entry: DataSet,
    root: str | Path,
    *,
    splits: Iterable[str] | None = None,
    listing: str | Path | None = None,
    sample: int = 6,
) -> DataCheck:
    """Verify a data set.

    Every file of the frames must exist; ``sample`` evenly spaced frames of each split are read.
    An absent split is a problem only if it was requested, or if all are absent.

    Args:
        entry: registry entry of the data set.
        root: folder of the data set.
        splits: splits that must exist; None for any.
        listing: frame list that replaces the default one, for a single split.
        sample: number of frames to read of each split; 0 reads all.

    Raises:
        ValueError: no such split.
    """
    root, found = Path(root), _Findings()
    if not root.exists():
        return DataCheck(entry.name, root, problems=(f"no folder {root}",))
    wanted = tuple(splits or ())
    names = (wanted or entry.splits)[: None if listing is None else 1]
    checked, readers = [], []
    for name in names:
        try:
            reader = entry.open(root, name, listing)
        except _READ_ERRORS as error:
            if isinstance(error, ValueError) and name not in entry.splits:
                raise
            checked.append(SplitCheck(name, 0, _text(error)))
            if wanted or _is_broken(error):
                found.problems.append(f"split {name}: {_text(error)}")
            continue
        checked.append(SplitCheck(name, len(reader)))
        readers.append(reader)
    if not readers:
        if not found.problems:
            found.problems += dict.fromkeys(split.absent for split in checked)
        found.problems.append(f"expected below {root}: {entry.layout}")
    elif not any(part.frames for part in checked):
        found.problems.append(f"no frames: {root} holds 0 in every split")
    lost = [path for reader in readers for path in entry.files_of(reader) if not path.is_file()]
    _tell_missing(lost, found)
    if listing is None and not wanted and entry.partners is not None:
        pattern, partner = entry.partners
        needed = map(partner, sorted(root.glob(pattern)))
        _tell_missing([path for path in needed if not path.is_file()], found)
    for reader in readers:
        _read(entry, reader, sample, found)
    _judge(entry, found)
    sizes, texts = tuple(sorted(found.sizes.items())), (found.problems, found.oddities)
    depth = _statistics(found)
    return DataCheck(entry.name, root, tuple(checked), sizes, found.read, depth, *map(tuple, texts))


def _is_broken(error: Exception) -> bool:
    """Whether a split exists but is incomplete: readers then name the missing file of a frame."""
    reason = str(error)
    if isinstance(error, FileNotFoundError):
        return any(words in reason for words in ("missing", "no partner", "no such file"))
    return "has no list" not in reason


def _tell_missing(paths: list[Path], found: _Findings) -> None:
    if paths:
        more = f" and {len(paths) - _FEW} more" if len(paths) > _FEW else ""
        noun = "file is" if len(paths) == 1 else "files are"
        names = ", ".join(map(str, paths[:_FEW]))
        found.problems.append(f"{len(paths)} {noun} missing: {names}{more}")


def _read(entry: DataSet, reader: Reader, sample: int, found: _Findings) -> None:
    count = len(reader) if sample < 1 else min(sample, len(reader))
    for index in (i * len(reader) // count for i in range(count)):
        try:
            frame = reader[index]
        except _READ_ERRORS as error:
            found.problems.append(f"frame {index} cannot be read: {_text(error)}")
            return  # the others are likely to fail in the same way
        size = tuple(int(n) for n in image_of(frame).shape[1:])
        found.sizes[size] = found.sizes.get(size, 0) + 1
        found.read += 1
        depth = depth_of(frame)
        if depth is not None:
            found.pixels += depth.numel()
            known = depth[(depth > 0) & depth.isfinite()]
            found.known += len(known)
            if len(known):
                found.least_m = min(found.least_m, float(known.min()))
                found.most_m = max(found.most_m, float(known.max()))
            found.depths.append(known[:: max(1, len(known) // _KEPT)].clone())


def _judge(entry: DataSet, found: _Findings) -> None:
    if entry.camera in ("panorama", "stereo panoramas") and entry.name != "worlds":
        wrong = [size for size in found.sizes if size[1] != 2 * size[0]]
        if wrong:
            height, width = wrong[0]
            found.problems.append(
                f"images of {width} x {height} are not panoramas: the width is not twice the height"
            )
    if not found.depths or entry.unit.startswith("no depth"):
        return
    empty = sum(len(depth) == 0 for depth in found.depths)
    if empty == len(found.depths):
        found.problems.append(
            f"no depth: all of {found.read} frames that were read are 0 or unknown everywhere; "
            f"expected {entry.unit}"
        )
        return
    low, high = entry.usual_m
    median = float(torch.cat(found.depths).median())
    if not low <= median <= high:
        found.oddities.append(
            f"the median depth is {median:.3g} m, which is unusual here ({low:g} to {high:g} "
            f"m): is the unit right? Expected {entry.unit}"
        )
    if empty:
        found.oddities.append(f"{empty} of {found.read} frames that were read have no depth")


def _statistics(found: _Findings) -> DepthSample | None:
    if not any(len(depth) for depth in found.depths):
        return None
    depth = torch.cat(found.depths)
    numbers = (found.least_m, float(depth.median()), found.most_m)
    return DepthSample(*numbers, found.known / found.pixels)


def _text(error: BaseException) -> str:
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
