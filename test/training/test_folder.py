"""The folder of a run: another run is not replaced, and a state is data, not a program."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from depth_perception.cli.train import main
from depth_perception.systems import CheckpointError
from depth_perception.training.folder import RunExistsError, check_folder, clear_folder
from depth_perception.training.run import read_state

STATE = {"state_dict": {}, "optimizer_states": [], "loops": {}, "global_step": 4}


def test_another_run_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_folder(tmp_path / "new")
    (tmp_path / "notes.txt").touch()
    check_folder(tmp_path)
    (tmp_path / "history.jsonl").touch()
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(RunExistsError, match=r"history\.jsonl.*--resume.*--out.*--overwrite"):
        check_folder(tmp_path)
    assert main("panda-tiny-metric", out=tmp_path) == 1
    assert "holds a run" in capsys.readouterr().err
    check_folder(tmp_path, overwrite=True)
    (tmp_path / "events").mkdir()
    clear_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_each_recipe_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "training" / "panda-tiny-metric"
    other.mkdir(parents=True)
    (other / "last.ckpt").touch()
    assert main("panda-tiny-metric") == 1
    assert "training/panda-tiny-metric holds a run" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="nothing to resume from"):
        check_folder(tmp_path / "training" / "rectnet-worlds", resume=True)


class _Exploit:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("exploited"),))


def test_a_state_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "last.ckpt"
    torch.save({**STATE, "callbacks": _Exploit()}, path)
    whole = path.read_bytes()
    for content in (whole, pickle.dumps(_Exploit()), whole[: len(whole) // 2], b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="is not the state of a run") as caught:
            read_state(path)
        assert len(str(caught.value).splitlines()) == 1
        assert "\033" not in str(caught.value)
    assert not (tmp_path / "exploited").exists()


def test_a_state_must_be_one(tmp_path: Path) -> None:
    torch.save({"model": torch.zeros(1)}, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="no global_step, loops, optimizer_states"):
        read_state(tmp_path / "last.ckpt")
    torch.save(STATE, tmp_path / "last.ckpt")
    assert read_state(tmp_path / "last.ckpt")["global_step"] == 4


@pytest.mark.parametrize("state", [[], 5, {"state_dict": {}}])
def test_a_file_that_is_no_state_is_refused(tmp_path: Path, state: object) -> None:
    torch.save(state, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"is not the state of a run: no .*--resume"):
        read_state(tmp_path / "last.ckpt")


def test_a_run_killed_before_its_first_state_is_not_sent_to_resume(tmp_path: Path) -> None:
    (tmp_path / "best.safetensors").touch()
    with pytest.raises(RunExistsError, match=r"without a state, choose another.*--overwrite") as e:
        check_folder(tmp_path)
    assert "--resume" not in str(e.value)
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(RunExistsError, match="continue it with --resume, choose another"):
        check_folder(tmp_path)
