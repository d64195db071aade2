"""Times of frames in MP4 files (ISO/IEC 14496-12), which OpenCV neither writes nor tells."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path

from ..limits import IMAGE_BYTES

_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")
_TIMES, _MEDIA, _MOVIE, _TRACK, _EDITS = b"stts", b"mdhd", b"mvhd", b"tkhd", b"elst"
# Place of a 32-bit duration behind the head of a box of version 0.
_DURATIONS = {_MEDIA: 16, _MOVIE: 16, _TRACK: 20, _EDITS: 8}


def duration_s(path: str | Path) -> float | None:
    """How long an MP4 or MOV file plays by its own words, seconds; None for other files."""
    found = description(Path(path))
    if found is None:
        return None
    movie = found[1]
    for kind, place, _ in _boxes(movie, 0, len(movie)):
        if kind == _MOVIE and movie[place + 8] == 0:
            scale, length = struct.unpack_from(">II", movie, place + 20)
            return length / scale if scale else None
    return None


def set_frame_times(path: str | Path, times_s: Sequence[float]) -> bool:
    """Let every frame of an MP4 file with one track be shown at its time.

    Args:
        path: file whose description is at its end, as OpenCV writes it.
        times_s: increasing, one for each frame, from 0.

    Returns:
        Whether the file could be changed.
    """
    path = Path(path)
    found = description(path)
    if found is None:
        return False
    start, movie = found[0], bytearray(found[1])
    boxes = list(_boxes(movie, 0, len(movie)))
    places = {kind: place for kind, place, _ in boxes}
    known = all(kind in places and movie[places[kind] + 8] == 0 for kind in (_TIMES, *_DURATIONS))
    if not known or start + len(movie) != path.stat().st_size:
        return False
    (scale,) = struct.unpack_from(">I", movie, places[_MEDIA] + 20)
    (movie_scale,) = struct.unpack_from(">I", movie, places[_MOVIE] + 20)
    ticks = [round(time * scale) for time in times_s]
    steps = [max(1, after - before) for before, after in pairwise(ticks)]
    steps.append(steps[-1] if steps else scale)
    for kind, offset in _DURATIONS.items():
        length = sum(steps) * (1 if kind == _MEDIA else movie_scale / scale)
        struct.pack_into(">I", movie, places[kind] + 8 + offset, round(length))
    runs = [(len(list(run)), step) for step, run in groupby(steps)]
    place = places[_TIMES]
    end = place + _size(movie, place)
    table = struct.pack(">I4sII", 16 + 8 * len(runs), _TIMES, 0, len(runs))
    table += b"".join(struct.pack(">II", *run) for run in runs)
    for kind, around, size in boxes:
        if kind in _CONTAINERS and around < place < around + size:
            struct.pack_into(">I", movie, around, size + len(table) - (end - place))
    with path.open("r+b") as file:
        file.seek(start)
        file.write(movie[:place] + table + movie[end:])
        file.flush()
        os.fsync(file.fileno())
    return True


def description(path: Path) -> tuple[int, bytes] | None:
    """Place and content of the description of an MP4 file; None without one."""
    with path.open("rb") as file:
        total = os.fstat(file.fileno()).st_size
        if file.read(8)[4:] not in (b"ftyp", b"moov", b"wide", b"mdat", b"free"):
            return None
        place = 0
        while place + 8 <= total:
            file.seek(place)
            head = file.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1:
                size = int.from_bytes(head[8:], "big")
            if head[4:8] == b"moov" and size < IMAGE_BYTES.value and place + size <= total:
                file.seek(place)
                return place, file.read(size)
            if size < 8:
                return None
            place += size
    return None


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and size of all boxes, those inside others included."""
    while start + 8 <= end:
        size = _size(data, start)
        if size < 8 or start + size > end:
            return
        kind = bytes(data[start + 4 : start + 8])
        yield kind, start, size
        if kind in _CONTAINERS:
            yield from _boxes(data, start + 8, start + size)
        start += size


def _size(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 4], "big")
