"""Settings for messages of many megabytes, as environment variables of processes with a node."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]
TUNE = "DEPTH_PERCEPTION_TUNE"
PROFILE = Path("config", "fastdds_large_data.xml")


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

    Settings of the allocator would come too late: :mod:`.allocator` has them.
    ``DEPTH_PERCEPTION_TUNE=0`` changes nothing.
    """
    if os.environ.get(TUNE) == "0":
        return
    for name, value in tuned_environment(os.environ.get("AMENT_PREFIX_PATH", "")).items():
        if not name.startswith("MALLOC_"):
            os.environ.setdefault(name, value)
