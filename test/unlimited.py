"""Python in a process whose libraries use all instructions of the processor.

OpenVINO ends the process where oneDNN is limited to fewer than there are, in depthwise
convolutions, though it runs on processors that have no more.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")


def run_unlimited(code: str, *arguments: str, graphs: Path) -> str:
    """What the code prints; graphs are kept in ``graphs``. AssertionError: it ends with another
    status than 0."""
    free = {name: value for name, value in os.environ.items() if name not in _LIMITS}
    free["DEPTH_PERCEPTION_GRAPHS"] = str(graphs)
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=free, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
