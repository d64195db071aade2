"""The drive that judges recovered metres, in small."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from depth_perception.cli.main import main
from depth_perception.evaluation.scale_drive import DriveScore


def test_a_short_drive_makes_a_table_and_keeps_its_frames(tmp_path: Path) -> None:
    command = [
        *("scale", "drive", "--kinds", "room", "--frames", "3", "--seed", "940000000"),
        *("--ways", "points", "camera_height", "--cache", str(tmp_path / "cache")),
        *("--json", str(tmp_path / "a.json"), "--markdown", str(tmp_path / "a.md")),
    ]
    assert main(command) == 0
    rows = {r["way"]: r for r in json.loads((tmp_path / "a.json").read_text())["rows"]}
    assert set(rows) == {"network's own metres", "oracle", "points", "camera_height"}
    for way in ("points", "camera_height"):
        assert rows[way]["metric"] == 1.0
        assert rows[way]["frames"] == 3
        assert rows[way]["ratio"] < 1.4
        assert rows[way]["jitter_mean"] < 0.02
    assert rows["oracle"]["ratio"] == pytest.approx(1.0)
    assert "| room | points | 100% of 3 |" in (tmp_path / "a.md").read_text()
    kept = sorted((tmp_path / "cache").rglob("*.pt"))
    stamps = [path.stat().st_mtime_ns for path in kept]
    assert len(kept) == 3
    assert main([*command, "--lacks", "scale"]) == 0
    assert [path.stat().st_mtime_ns for path in kept] == stamps
    one_unknown = {r["way"]: r for r in json.loads((tmp_path / "a.json").read_text())["rows"]}
    assert one_unknown["points"]["metric"] == 1.0
    assert one_unknown["points"]["jitter_mean"] <= 0.01
    assert one_unknown["points"]["abs_rel"] < 1.1 * rows["points"]["abs_rel"]


def test_wrong_arguments_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scale", "drive", "--frames", "1"]) == 1
    assert "--frames" in capsys.readouterr().err
    assert main(["scale", "drive", "--model", "no-such-model"]) == 1
    assert "no-such-model" in capsys.readouterr().err


def test_jitter_counts_neighbours_only() -> None:
    score = DriveScore("room", "points", frames=5)
    score.effective, score.indices = [1.0, 1.1, 2.0, 2.0], [0, 1, 3, 4]
    mean, tail = score.jitter()
    assert mean == pytest.approx(math.log(1.1) / 2)
    assert tail == pytest.approx(math.log(1.1))
    assert math.isnan(DriveScore("room", "points").jitter()[0])
