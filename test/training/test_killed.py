"""Training runs that are killed: nothing is half-written, and at most a few steps are lost.

This file is also the program that is killed: it imports once, then forks a run for each line that
it is told, so that a run starts at once.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

STEPS, EVERY = 12, 4
HEIGHT = 28
HALF = b"half a file"


@dataclass
class Server:
    """The program below, waiting for runs."""

    process: subprocess.Popen
    run: int | None = None

    def start(self, folder: Path, *, resume: bool = False, trap: str = "") -> int:
        """Begin a run; returns its process. One that a failed test left behind ends first."""
        if self.run is not None:
            os.kill(self.run, signal.SIGKILL)
            self.finish()
        self.process.stdin.write(f"{json.dumps([str(folder), resume, trap])}\n")
        self.process.stdin.flush()
        self.run = int(self.process.stdout.readline())
        return self.run

    def finish(self) -> int:
        """Wait for the run and return its exit status, negative for a signal."""
        self.run = None
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Server(process)
        process.stdin.close()


@pytest.fixture(scope="module")
def whole(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    server.start(folder)
    assert server.finish() == 0
    return folder


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 250
    while not condition():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.002)


def steps_of(folder: Path) -> list[int]:
    """The steps that were done, by all runs in the folder, in order."""
    path = folder / "steps.log"
    return [int(line) for line in path.read_text().split()] if path.is_file() else []


def saved_step(folder: Path) -> int:
    """Of the last checkpoint, which must be whole; 0 where there is none."""
    path = folder / "last.ckpt"
    return torch.load(path, weights_only=False)["global_step"] if path.is_file() else 0


def assert_whole_files(folder: Path) -> None:
    """What carries a final name can be read."""
    saved_step(folder)
    for path in folder.glob("[!.]*.safetensors"):
        with safe_open(path, "pt") as file:
            assert int(file.metadata()["steps"]) > 0
            assert all(torch.isfinite(file.get_tensor(key)).all() for key in file.keys())  # noqa: SIM118
        assert f"# {path.name}" in path.with_suffix(".md").read_text() or path.stem == "best"


def assert_same_end(folder: Path, whole: Path) -> None:
    ours, theirs = (torch.load(f / "last.ckpt", weights_only=False) for f in (folder, whole))
    assert ours["global_step"] == theirs["global_step"] == STEPS
    for key, value in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][key], value), key
    rows = [
        [json.loads(line) for line in (f / "history.jsonl").read_text().splitlines()]
        for f in (folder, whole)
    ]
    found, expected = ([(row["step"], row["val/abs_rel"]) for row in side] for side in rows)
    assert [step for step, _ in expected] == [EVERY, 2 * EVERY, STEPS]
    assert found == expected
    assert list(folder.glob(".*")) == []
    with safe_open(folder / "best.safetensors", "pt") as file:
        best = dict(expected)[int(file.metadata()["steps"])]
    assert best <= min(value for _, value in found)


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(
    server: Server, whole: Path, tmp_path: Path
) -> None:
    rng = random.Random(0)
    for kill_at in (2, 5, 7, 10):  # two of them before a checkpoint
        saved, count = saved_step(tmp_path), len(steps_of(tmp_path))
        if saved == STEPS:  # a slow machine killed the last run too late
            break
        process = server.start(tmp_path, resume=saved > 0)
        wait_for(lambda n=kill_at, k=count: max(steps_of(tmp_path)[k:], default=0) >= n, "a step")
        time.sleep(0.05 * rng.random())
        os.kill(process, signal.SIGKILL)
        assert server.finish() in (-signal.SIGKILL, 0)
        new = steps_of(tmp_path)[count:]
        assert new == list(range(saved + 1, saved + 1 + len(new))), (
            "more is done again than was lost"
        )
        assert_whole_files(tmp_path)
        assert new[-1] - saved_step(tmp_path) <= EVERY
    if saved_step(tmp_path) < STEPS:
        server.start(tmp_path, resume=True)
        assert server.finish() == 0
    assert_same_end(tmp_path, whole)


@pytest.mark.parametrize("trap", ["checkpoint", "weights", "card"])
def test_killed_in_the_middle_of_a_file(
    server: Server, whole: Path, tmp_path: Path, trap: str
) -> None:
    """The third time that such a file is written, half of it is there when the run is killed."""
    process = server.start(tmp_path, trap=f"{trap} sleep")
    wait_for((tmp_path / "trapped").is_file, "the trap")
    os.kill(process, signal.SIGKILL)
    assert server.finish() == -signal.SIGKILL
    (half,) = tmp_path.glob(".*.partial*")
    assert half.read_bytes() == HALF
    assert_whole_files(tmp_path)
    assert saved_step(tmp_path) >= EVERY
    server.start(tmp_path, resume=True)
    assert server.finish() == 0
    assert_same_end(tmp_path, whole)


def test_killed_before_a_validation_is_written_down(
    server: Server, whole: Path, tmp_path: Path
) -> None:
    process = server.start(tmp_path, trap="validation sleep")
    wait_for((tmp_path / "trapped").is_file, "the trap")
    os.kill(process, signal.SIGKILL)
    assert server.finish() == -signal.SIGKILL
    assert steps_of(tmp_path)[-1] == 2 * EVERY
    assert saved_step(tmp_path) == EVERY
    server.start(tmp_path, resume=True)
    assert server.finish() == 0
    assert_same_end(tmp_path, whole)


@pytest.mark.parametrize("trap", ["checkpoint", "weights"])
def test_a_full_disk_ends_the_run_and_leaves_what_was_there(
    server: Server, whole: Path, tmp_path: Path, trap: str
) -> None:
    server.start(tmp_path, trap=f"{trap} fail")
    assert server.finish() == 3, "OSError"
    assert list(tmp_path.glob(".*")) == []
    assert_whole_files(tmp_path)
    assert saved_step(tmp_path) >= EVERY
    server.start(tmp_path, resume=True)
    assert server.finish() == 0
    assert_same_end(tmp_path, whole)


# The program


def serve() -> None:
    """Each line of standard input is a run; the answers are its process and its exit status."""

    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            status = 4
            try:
                run(*json.loads(line))
                status = 0
            except OSError:
                status = 3
            finally:
                os._exit(status)
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


def run(folder: str, resume: bool, trap: str) -> None:
    """Train a small network on stripes."""
    import lightning

    from depth_perception.training.panda.frames import (
        DataRecipe,
        FrameBank,
        RangeData,
        SizePhase,
    )
    from depth_perception.training.panda.losses import LossRecipe
    from depth_perception.training.panda.task import (
        ModelRecipe,
        PandaRecipe,
        RangeTraining,
        RunRecipe,
        trainable_network,
    )
    from depth_perception.training.recipe import OptimRecipe
    from depth_perception.training.run import train

    where = Path(folder)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    torch.set_num_threads(1)
    recipe = PandaRecipe(
        name="killed",
        model=ModelRecipe("panda-tiny"),
        data=DataRecipe("nowhere", sizes=(SizePhase(0.0, HEIGHT),), max_depth_m=10.0),
        losses=(LossRecipe("l1"),),
        run=RunRecipe(steps=STEPS, batch=2, val_every=EVERY, val_frames=2, save_every=EVERY),
        optim=OptimRecipe(ema=0.9),
    )
    range_m = 1 + torch.arange(4).view(4, 1, 1).expand(4, HEIGHT, 2 * HEIGHT).half()
    rgb = (25 * range_m).to(torch.uint8)[:, None].expand(4, 3, -1, -1)
    bank = FrameBank(rgb, range_m)

    class Steps(lightning.Callback):
        def on_train_batch_start(self, trainer: lightning.Trainer, *_: object) -> None:
            with (where / "steps.log").open("a") as file:
                file.write(f"{trainer.global_step + 1}\n")

    if trap:
        set_trap(where, *trap.split())
    training = RangeTraining(recipe, trainable_network(recipe))
    data = RangeData(bank, recipe.data, recipe.augment, bank, recipe.run.val_frames)
    train(training, data, where, device="cpu", resume=resume, callbacks=[Steps()])


def set_trap(folder: Path, what: str, end: str) -> None:
    """The third file of a kind is written by half; then the process hangs or the disk is full.

    With ``validation`` it hangs before the numbers of the second one are noted.
    """
    from depth_perception.training import snapshots

    if what == "validation":
        set_trap_before_validation(folder)
        return
    module, name, place = {
        "checkpoint": (snapshots.lightning.Trainer, "save_checkpoint", 1),
        "weights": (snapshots, "export_weights", 1),
        "card": (snapshots.Path, "write_bytes", 0),
    }[what]
    original, count = getattr(module, name), [0]

    def trapped(*args: object, **options: object) -> object:
        path = Path(str(args[place]))
        is_it = what != "card" or path.name.endswith(".md")
        count[0] += is_it
        if not is_it or count[0] < 3:
            return original(*args, **options)
        with path.open("wb") as file:
            file.write(HALF)
        if end == "fail":
            raise OSError(28, "No space left on device", str(path))
        (folder / "trapped").touch()
        time.sleep(600)
        return None

    setattr(module, name, trapped)


def set_trap_before_validation(folder: Path) -> None:
    """The process hangs when the second validation is done and before anybody knows of it."""
    from depth_perception.training.snapshots import Snapshots

    original, count = Snapshots.on_validation_end, [0]

    def trapped(*args: object) -> None:
        count[0] += 1
        if count[0] == 2:
            (folder / "trapped").touch()
            time.sleep(600)
        original(*args)

    Snapshots.on_validation_end = trapped


if __name__ == "__main__":
    serve()
