"""One kill of each command; `make killed` does a hundred of each. Training has tests of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from killed.jobs import Worlds, visible


def test_killed_runs_end_as_those_that_are_not() -> None:
    program = Path(__file__).with_name("campaign.py")
    jobs = ["--job", "infer", "--job", "bag to bag", "--job", "worlds"]
    command = [sys.executable, str(program), "--count", "1", "--seed", "3", *jobs]
    found = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "3 kills: no problem" in found.stdout


def test_the_judge_of_folders_judges(tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    for folder in (whole, out):
        (folder / "set").mkdir(parents=True)
        (folder / "set" / "a.png").write_bytes(b"abc")
        (folder / "set" / "frames.jsonl").write_text("1\n2\n")
    job = Worlds()
    assert job.torn(out, whole) == job.differing(out, whole) == []
    (out / "set" / "frames.jsonl").write_text("1\n")
    assert job.torn(out, whole) == []
    assert job.differing(out, whole) == ["set/frames.jsonl differs"]
    (out / "set" / "a.png").write_bytes(b"ab")
    assert job.torn(out, whole) == ["set/a.png is incomplete"]
    (out / "set" / ".b.1.partial.png").touch()
    (out / "c").touch()
    (out / "set" / "a.png").unlink()
    assert sorted(job.differing(out, whole)) == [
        "c is too much", "set/.b.1.partial.png is a leftover", "set/a.png is missing",
        "set/frames.jsonl differs",
    ]  # fmt: skip
    assert list(visible({".x/a": out, "b/.c": out, "d/e": out})) == ["d/e"]
