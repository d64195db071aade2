"""Processes of the demonstration: node, recorder and player, connected by DDS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..ros.compat.large_messages import PACKAGE, tuned_environment

# From 102 to 214 the ports of DDS fall into the ephemeral range of Linux.
DOMAIN_IDS = (*range(1, 102), *range(215, 233))

_POLL_S = 0.1


class DemoError(RuntimeError):
    """The demonstration cannot start or has failed; the message gives the reason."""


@dataclass(frozen=True)
class Child:
    """A running process and its log file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        """The whole log."""
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 25) -> str:
        """The last lines of the log."""
        return "\n".join(self.output().splitlines()[-lines:])

    def since(self, text: str, lines: int = 25) -> str:
        """The lines of its log from the first that contains ``text``."""
        found = self.output().splitlines()
        first = next(i for i, line in enumerate(found) if text in line)
        return "\n".join(found[first : first + lines])


class Session:
    """Starts ROS processes in a separate domain, and stops them all on leaving the context.

    Args:
        folder: folder of the logs, NAME.log for each process.
        domain_id: ROS_DOMAIN_ID; by default derived from the process id, so that several
            demonstrations and a robot on the same machine do not interfere.
        environment: further variables of the processes.
    """

    def __init__(
        self,
        folder: Path,
        domain_id: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        own = DOMAIN_IDS[os.getpid() % len(DOMAIN_IDS)]
        self.domain_id = own if domain_id is None else domain_id
        self.environment = {**ros_environment(self.domain_id), **(environment or {})}
        self._children: list[Child] = []

    def __enter__(self) -> Session:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self._children):
            if child.process.poll() is None:
                _end(child.process, grace_s=5.0)

    def start(self, name: str, module: str, arguments: Sequence[str]) -> Child:
        """Run ``python -m module arguments`` with its output in ``folder/name.log``."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def wait(self, child: Child, timeout_s: float, needs: Sequence[Child] = ()) -> None:
        """Wait until ``child`` has succeeded while every process in ``needs`` runs.

        Raises:
            DemoError: it failed, took too long, or one of ``needs`` ended before it.
        """
        if not self._poll(lambda: child.process.poll() is not None, timeout_s, needs):
            raise DemoError(
                f"the {child.name} was not done after {timeout_s:.0f} s\n{_logs(child, *needs)}"
            )
        if code := child.process.returncode:
            raise DemoError(f"the {child.name} ended with exit code {code}\n{_logs(child)}")

    def wait_for_line(
        self,
        child: Child,
        text: str,
        timeout_s: float,
        needs: Sequence[Child] = (),
        alarm: tuple[Child, str] | None = None,
    ) -> None:
        """Wait until the log of ``child`` contains ``text`` while it and ``needs`` run.

        ``alarm`` is a text in the log of another process that ends the wait.

        Raises:
            DemoError: a process ended, the alarm appeared, or the text did not appear in time.
        """

        def printed() -> bool:
            if alarm is not None and alarm[1] in alarm[0].output():
                raise DemoError(
                    f"the {alarm[0].name} reports an error, see {alarm[0].log}\n"
                    f"{alarm[0].since(alarm[1])}"
                )
            return text in child.output()

        if not self._poll(printed, timeout_s, (child, *needs)):
            raise DemoError(
                f"the {child.name} did not print {text!r} within {timeout_s:.0f} s\n"
                f"{_logs(child, *needs)}"
            )

    def pause(self, seconds: float, needs: Sequence[Child] = ()) -> None:
        """Wait for some time while every process in ``needs`` runs.

        Raises:
            DemoError: one of them ended.
        """
        self._poll(lambda: False, seconds, needs)

    def _poll(self, done: Callable[[], bool], timeout_s: float, needs: Sequence[Child]) -> bool:
        """Wait until ``done`` while every process in ``needs`` runs; False after the time-out."""
        deadline = time.monotonic() + timeout_s
        while not done():
            for child in needs:
                if (code := child.process.poll()) is not None:
                    text = f"the {child.name} ended early, exit code {code}"
                    raise DemoError(f"{text}\n{_logs(child)}")
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def stop(self, child: Child, grace_s: float = 30.0) -> None:
        """Stop a process by SIGINT and wait for its end.

        Raises:
            DemoError: it had to be killed, or did not end with exit code 0.
        """
        if not _end(child.process, grace_s):
            raise DemoError(
                f"the {child.name} did not end within {grace_s:.0f} s of SIGINT\n{_logs(child)}"
            )
        if code := child.process.returncode:
            text = f"the {child.name} ended with exit code {code} on SIGINT"
            raise DemoError(f"{text}\n{_logs(child)}")


def ros_environment(domain_id: int) -> dict[str, str]:
    """Environment of the ROS processes: communication on this machine only, large messages."""
    environment = dict(os.environ)
    search_path = [str(PACKAGE.parent), environment.get("PYTHONPATH", "")]
    environment.update(
        PYTHONPATH=os.pathsep.join(filter(None, search_path)),
        PYTHONUNBUFFERED="1",
        ROS_DOMAIN_ID=str(domain_id),
        ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
    )
    if environment.get("ROS_DISTRO") == "humble":
        environment["ROS_LOCALHOST_ONLY"] = "1"
    environment.setdefault("AMENT_PREFIX_PATH", sys.prefix)
    for name, value in tuned_environment(environment["AMENT_PREFIX_PATH"]).items():
        environment.setdefault(name, value)
    return environment


def _end(process: subprocess.Popen[bytes], grace_s: float) -> bool:
    """Send SIGINT, then SIGKILL to the process group after ``grace_s``; whether SIGINT sufficed."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False
    return True


def _logs(*children: Child) -> str:
    return "\n".join(
        f"--- end of {child.log} ---\n{child.tail() or '(empty)'}" for child in children
    )
