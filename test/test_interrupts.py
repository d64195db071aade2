"""Ctrl-C, SIGTERM and SIGHUP end a command at any moment, soon, and with its exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

LIMIT_S = 1.0
PATIENCE_S = 120.0
COMMAND = [sys.executable, "-m", "depth_perception.cli.main"]
TICKS = os.sysconf("SC_CLK_TCK")

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def session(leader: int) -> Iterator[int]:
    """Processes of the session that a process leads."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            yield int(path.parent.name)


class Ended:
    """A command that was sent a signal after so much processor time."""

    def __init__(self, arguments: list[str], after_s: float, number: int, log: Path) -> None:
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # without nohup
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_S
        while cpu_s(process.pid) < after_s:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        before = cpu_s(process.pid)
        process.send_signal(number)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = self.status = os.waitstatus_to_exitcode(status)
        self.cpu_s = usage.ru_utime + usage.ru_stime - before
        self.text = log.read_text(errors="replace")
        self.left = [pid for pid in session(process.pid) if self._stays(pid)]

    @staticmethod
    def _stays(pid: int) -> bool:
        for _ in range(50):
            if not Path(f"/proc/{pid}").exists():
                return False
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        return True


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(60):
        pixels = np.random.default_rng(number).integers(0, 255, (448, 896, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "in" / f"{number}.png"), pixels)
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("name", "after_s"),
    [("SIGINT", 0.15), ("SIGINT", 1.0), ("SIGINT", 3.0), ("SIGTERM", 3.0), ("SIGHUP", 0.6)],
)
def test_infer_ends(tmp_path: Path, images: Path, name: str, after_s: float) -> None:
    number = getattr(signal, name)
    arguments = ["infer", str(images), "--out", str(tmp_path / "out"), "--save-cloud"]
    ended = Ended(arguments, after_s, number, tmp_path / "log.txt")
    assert ended.status == 128 + number, ended.text
    assert ended.cpu_s < LIMIT_S
    assert "Traceback" not in ended.text
    assert not ended.left
    assert not list((tmp_path / "out").glob(".*partial*"))


def test_worlds_end_with_their_processes(tmp_path: Path) -> None:
    arguments = ["worlds", "folder", str(tmp_path / "out"), "--count", "50", "--workers", "2"]
    ended = Ended(arguments, 1.5, signal.SIGINT, tmp_path / "log.txt")
    assert ended.status == 130, ended.text
    assert ended.cpu_s < LIMIT_S
    assert not ended.left


SWALLOWED = """
# Press Ctrl-C where Python swallows the exception: in a callback of the garbage collection.
import os, signal, sys, weakref
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["AT"]:
            sys.meta_path.remove(self)
            thing = Finder()
            ref = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))
            del thing
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("module", ["tyro", "torch", "timm"])
def test_an_interrupt_that_python_swallows_is_not_lost(
    tmp_path: Path, images: Path, module: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SWALLOWED)
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = subprocess.run(
        [*COMMAND, "infer", str(images), "--out", str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": path, "AT": module},
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 130
    assert len(list((tmp_path / "out").glob("*.png"))) < 60
