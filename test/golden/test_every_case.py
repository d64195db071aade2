"""Every reference case of this repository, and the command that runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.cases import FOLDER, SYSTEMS, Case, cases, every_case
from golden.kinds import kind_of
from golden.runner import PASSED, SLOW, lines_of, main, run_case
from golden.tolerances import UNCOMPARED, Tolerance, stated_tolerance


def parameter(case: Case):
    marks = [pytest.mark.slow] if kind_of(case).slow(case) else []
    return pytest.param(case, id=str(case), marks=marks)


@pytest.mark.parametrize("case", map(parameter, every_case()))
def test_equals_the_original(case: Case) -> None:
    result = run_case(case)
    case.__dict__.pop("arrays", None)
    assert result.status == PASSED, "\n".join(lines_of(result))


def test_five_systems_have_cases() -> None:
    assert {"blindspot", "panda", "panopticdepth", "ppd", "scaledepth"} <= set(SYSTEMS)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A folder with one case of another name and number format than those of the repository."""
    (case,) = cases("blindspot", "post-process")
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(case.file(case.entry["file"]), folder / "mine.npz")
    entry = case.entry | {"case": "mine", "file": "mine.npz"}
    (folder / "cases.json").write_text(json.dumps({"cases": [entry]}))
    return folder


def changed(folder: Path, **changes: object) -> None:
    """Change the only entry of a folder."""
    content = json.loads((folder / "cases.json").read_text())
    content["cases"][0] |= changes
    (folder / "cases.json").write_text(json.dumps(content))


def test_other_folders_run_too(other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(other), "--system", "blindspot"]) == 0
    text = capsys.readouterr().out
    assert "passed         blindspot/mine" in text
    assert "out_monodepth_blend" in text
    assert main([str(other.parent), "--system", "blindspot"]) == 0
    with pytest.raises(SystemExit, match=r"no cases\.json"):
        main([str(FOLDER / "kinds")])


def test_unknown_kinds_are_not_covered(other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(other)]) == 1
    assert "NOT COVERED    mine/mine" in capsys.readouterr().out
    assert main([str(other), "--system", "panda"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].split()[3] == "1"


def test_a_difference_fails(other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load(other / "mine.npz") as file:
        arrays = dict(file)
    name = next(name for name in arrays if name.startswith("out_"))
    np.savez(other / "mine.npz", **{**arrays, name: arrays[name] + 1})
    assert main([str(other), "--system", "blindspot"]) == 1
    assert f"! {name}" in capsys.readouterr().out
    changed(other, file="none.npz")
    assert main([str(other), "--system", "blindspot"]) == 1
    assert "FileNotFoundError" in capsys.readouterr().out


def test_no_output_is_forgotten(other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load(other / "mine.npz") as file:
        arrays = dict(file)
    np.savez(other / "mine.npz", **arrays, out_new=np.zeros(3), in_new=np.zeros(3), new=np.zeros(3))
    assert main([str(other), "--system", "blindspot"]) == 1
    text = capsys.readouterr().out
    assert "compared by nobody, nor in tolerances.UNCOMPARED: out_new\n" in text
    assert "! not compared: out_new" in text
    assert "  not compared: new (no output by its name)" in text


def test_what_is_left_out_on_purpose_has_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["--case", "3d60-rotation", "--case", "3d60-loader", "--case", "moge-focal-shift"])
        == 0
    )
    text = capsys.readouterr().out
    assert "not compared: out_normal_port (sign error of a copy: not to be reproduced)" in text
    assert "  out_matrix" in text
    assert all(UNCOMPARED.values())


def test_large_cases_run_on_demand() -> None:
    (case,) = cases("blindspot", "rectnet-256x512")
    assert run_case(case, slow=False).status == SLOW


def test_the_command_runs_from_any_folder(other: Path) -> None:
    command = [sys.executable, FOLDER / "runner.py", ".", "--system", "blindspot"]
    done = subprocess.run(command, cwd=other, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert "passed" in done.stdout


def test_comparisons_see_differences() -> None:
    (case,) = cases("blindspot", "post-process")
    right = case.arrays["out_panoramic"]
    assert case.compare("out_panoramic", right).outcome().passed
    for wrong in (right + 1e-4, right[:-1], right * torch.nan):
        outcome = case.compare("out_panoramic", wrong).outcome()
        assert not outcome.passed
        assert outcome.problem
    share = case.compare("out_panoramic", right + 1)._replace(tolerance=Tolerance(share=1.0))
    assert share.outcome().passed
    limited = share._replace(tolerance=Tolerance(share=1.0, limit=0.5))
    assert "more than 0.5" in limited.outcome().problem
    assert case.left_out() == ["in_disp", "out_monodepth_blend"]


@pytest.mark.parametrize(
    ("stated", "array", "expected"),
    [
        ({"atol": 0.1, "rtol": 0.2}, "x", Tolerance(0.1, 0.2)),
        ({"atol": {"depth": 0.1, "scores": 0.3}}, "inst_scores", Tolerance(0.3)),
        ({"atol": {"depth": 0.1}}, "other", Tolerance()),
        ({"tolerance": "exact"}, "x", Tolerance()),
        ({"tolerance": {"atol": 0.1}}, "x", Tolerance(0.1)),
        ({"tolerance": {"x": {"rtol": 0.1}, "y": "exact"}}, "x", Tolerance(0.0, 0.1)),
        ({"tolerance": {"x": {"rtol": 0.1}, "y": "exact"}}, "y", Tolerance()),
        ({"tolerance": {"grad": {"atol": 1}, "value": {"atol": 2}}}, "value_l1", Tolerance(2)),
    ],
)
def test_tolerances_are_those_of_the_file(stated: dict, array: str, expected: Tolerance) -> None:
    assert stated_tolerance(stated, array) == expected
