"""Dispatch to the commands."""

from __future__ import annotations

import pytest

from depth_perception import systems
from depth_perception.cli.main import COMMANDS, main
from depth_perception.cli.terminal import failed


def test_usage_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in COMMANDS)
    assert main([]) == 2


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["infere"]) == 2
    assert "no command 'infere'" in capsys.readouterr().err


def test_interrupt_has_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(systems, "card", lambda name: interrupted())
    assert main(["infer", "a.png"]) == 130


def test_errors_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    assert failed("infer", "no file a\x1b[2J\udcff\u202e.png\nsecond line" + "x" * 10_000) == 1
    said = capsys.readouterr().err
    assert said.startswith("depth-perception infer: no file a\\x1b[2J\\udcff\\u202e.png\nsecond")
    assert len(said) < 5000
