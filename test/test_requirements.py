"""Releases with known holes are neither admitted nor installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TOOL = ROOT / "tools" / "check_installed.py"
RUN = {
    (requirement := Requirement(line.partition("#")[0].strip())).name.lower(): requirement
    for line in (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8").splitlines()
    if line.partition("#")[0].strip()
}


def holes() -> list[Requirement]:
    lines = (ROOT / "tools" / "known_holes.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(spec) for line in lines if (spec := line.partition("#")[0].strip())]


@pytest.mark.parametrize("hole", holes(), ids=str)
def test_no_requirement_admits_it(hole: Requirement) -> None:
    ours = RUN.get(hole.name.lower())
    if ours is None:  # comes with another package or instead of it
        assert hole.name in ("pytorch-lightning", "opencv-python")
        return
    for major in range(16):
        for minor in range(20):
            for patch in (0, 1, 2, 3, 9, 15):
                number = f"{major}.{minor}.{patch}"
                if number in hole.specifier:
                    assert number not in ours.specifier, number


def test_none_is_installed() -> None:
    result = subprocess.run([sys.executable, str(TOOL)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_an_installed_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "known_holes.txt").write_text("numpy>=0  # for this test\nnowhere==1  # no\n")
    (tmp_path / TOOL.name).write_bytes(TOOL.read_bytes())
    result = subprocess.run(
        [sys.executable, str(tmp_path / TOOL.name)], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "for this test" in result.stderr
    assert "nowhere" not in result.stderr
