"""Processes of the demonstration end well, or their log is shown."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from depth_perception.demo.session import DemoError, Session

pytestmark = pytest.mark.alone

PROGRAMS = {
    "quick": "print('hello', flush=True)",
    "broken": "import sys\nprint('the reason', flush=True)\nsys.exit(3)",
    "polite": "import time\nprint('ready', flush=True)\ntry:\n    time.sleep(60)\n"
    "except KeyboardInterrupt:\n    print('bye', flush=True)",
    "stubborn": "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "print('ready', flush=True)\ntime.sleep(60)",
}


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose processes may run the modules above."""
    for name, text in PROGRAMS.items():
        (tmp_path / f"{name}.py").write_text(text + "\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Session(tmp_path / "logs")


def test_output_goes_to_a_log(session: Session) -> None:
    with session:
        session.wait(session.start("first", "quick", ()), timeout_s=20)

    assert (session.folder / "first.log").read_text() == "hello\n"


def test_failure_shows_the_code_and_the_log(session: Session) -> None:
    with session, pytest.raises(DemoError, match=r"exit code 3(.|\n)*the reason"):
        session.wait(session.start("first", "broken", ()), timeout_s=20)


def test_waiting_notices_the_end_of_another_process(session: Session) -> None:
    with session:
        needed = session.start("needed", "broken", ())
        waiting = session.start("waiting", "polite", ())
        with pytest.raises(DemoError, match="needed ended early, exit code 3"):
            session.wait(waiting, timeout_s=20, needs=[needed])


def test_time_limit(session: Session) -> None:
    with session, pytest.raises(DemoError, match="first was not done after 0 s"):
        session.wait(session.start("first", "polite", ()), timeout_s=0.3)


def test_stop_interrupts(session: Session) -> None:
    with session:
        child = session.start("first", "polite", ())
        session.wait_for_line(child, "ready", timeout_s=20)
        session.stop(child)

    assert child.tail() == "ready\nbye"


def test_a_process_that_ignores_the_interrupt_is_killed_and_reported(session: Session) -> None:
    with session:
        child = session.start("first", "stubborn", ())
        session.wait_for_line(child, "ready", timeout_s=20)
        with pytest.raises(DemoError, match="did not end within 0 s of SIGINT"):
            session.stop(child, grace_s=0.3)

    assert child.process.returncode == -9


def test_leaving_the_session_ends_everything(session: Session) -> None:
    with session:
        child = session.start("first", "polite", ())
        session.wait_for_line(child, "ready", timeout_s=20)
        begin = time.monotonic()

    assert child.process.poll() == 0
    assert time.monotonic() - begin < 8


def test_line_that_never_comes(session: Session) -> None:
    with session:
        child = session.start("first", "polite", ())
        with pytest.raises(DemoError, match="did not print 'never'"):
            session.wait_for_line(child, "never", timeout_s=0.3)


def test_processes_stay_on_this_machine(session: Session) -> None:
    assert session.environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert 0 < int(session.environment["ROS_DOMAIN_ID"]) <= 232
