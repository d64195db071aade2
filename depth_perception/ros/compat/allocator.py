"""Lets glibc keep the memory of large buffers; other C libraries are not changed."""

from __future__ import annotations

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST = (1 << 31) - 1
ALLOCATOR_VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_large_buffers() -> bool:
    """Keep freed buffers of megabytes in the process; whether that was set.

    Otherwise the pages of every temporary map of a frame are mapped and cleared again, which takes
    longer than computing it. Settings of the user in the environment are not changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name in os.environ for name in ALLOCATOR_VARIABLES):
        return False
    # Older versions reject more than 32 MiB; TRIM_THRESHOLD alone would fix this one at 128 KiB.
    is_set = any(mallopt(_MMAP_THRESHOLD, size) for size in (1 << 30, 1 << 25))
    return is_set and bool(mallopt(_TRIM_THRESHOLD, _LARGEST))
