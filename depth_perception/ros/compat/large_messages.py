"""Settings for messages of many megabytes: of processes with a node, and of this process."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]
TUNE = "DEPTH_PERCEPTION_TUNE"
PROFILE = Path("config", "fastdds_large_data.xml")
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST = (1 << 31) - 1
ALLOCATOR_VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def tuned_environment(prefix_path: str) -> dict[str, str]:
    """Shared memory for large messages, buffers that stay mapped, idle threads that do not spin.

    The profile of Fast DDS is that of the package installed below ``prefix_path``, or of the source
    tree; it is left out where there is neither.
    """
    variables = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
    variables["OMP_WAIT_POLICY"] = "PASSIVE"  # several processes share few cores
    shares = [Path(p, "share", PACKAGE.name) for p in prefix_path.split(os.pathsep) if p]
    candidates = [folder / PROFILE for folder in (*shares, PACKAGE.parent)]
    if profile := next((path for path in candidates if path.is_file()), None):
        is_older = os.environ.get("ROS_DISTRO") in ("humble", "iron", "jazzy")
        vendor = "FASTRTPS" if is_older else "FASTDDS"
        variables[f"{vendor}_DEFAULT_PROFILES_FILE"] = str(profile)
    return variables


def tune_environment() -> None:
    """Set for this process what its libraries read when they are loaded; the user's values stay.

    Settings of the allocator would come too late: :func:`keep_large_buffers` makes them.
    ``DEPTH_PERCEPTION_TUNE=0`` changes nothing.
    """
    if os.environ.get(TUNE) == "0":
        return
    for name, value in tuned_environment(os.environ.get("AMENT_PREFIX_PATH", "")).items():
        if not name.startswith("MALLOC_"):
            os.environ.setdefault(name, value)


def keep_large_buffers() -> bool:
    """Keep freed buffers of megabytes in the process; whether that was set, as glibc can.

    Otherwise the pages of every temporary map of a frame are mapped and cleared again, which takes
    longer than computing it. Settings of the user in the environment are not changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name in os.environ for name in ALLOCATOR_VARIABLES):
        return False
    # Older versions reject more than 32 MiB; TRIM_THRESHOLD alone would fix this one at 128 KiB.
    is_set = any(mallopt(_MMAP_THRESHOLD, size) for size in (1 << 30, 1 << 25))
    return is_set and bool(mallopt(_TRIM_THRESHOLD, _LARGEST))
