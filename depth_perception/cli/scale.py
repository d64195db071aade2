"""``depth-perception scale``: how good recovered metres are."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

SPEED_MPS = {"street": 3.0, "courtyard": 1.5, "corridor": 1.0, "room": 0.8}


def main(
    action: Annotated[Literal["drive"], tyro.conf.Positional],
    *,
    model: str = "panda-tiny-metric",
    kinds: tuple[Literal["street", "courtyard", "corridor", "room"], ...] = ("street", "room"),
    seed: int = 940000000,
    frames: int = 300,
    ways: tuple[str, ...] = ("points", "points alone", "camera_height", "camera_height alone"),
    steady: bool = False,
    device: str | None = None,
    cache: Path | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    markdown: Path | None = None,
) -> int:
    """Drive through synthetic worlds with a simulated lidar and recover the metres of a model.

    The lidar has 16 beams, 30 % outliers and is 20 ms late. The model's output gets a random scale
    and shift in every frame, which the recovery does not know.

    Args:
        action: `drive`, the only one so far.
        model: a metric model of panoramas.
        kinds: kinds of world, a drive through each.
        seed: of the worlds and of all draws.
        frames: of each drive, 10 a second.
        ways: `points`, `camera_height`; with ` alone` appended each frame is fitted by itself.
        steady: one scale and shift for the whole drive instead.
        device: cpu, cuda, ...; otherwise CUDA where there is one.
        cache: folder that keeps rendered drives.
        json_file: write all numbers here.
        markdown: write the table here.
    """
    from ..evaluation.drive import DriveOptions, drive
    from ..evaluation.scale_drive import DriveProtocol, DriveScore, judge_drive
    from ..evaluation.scale_drive import markdown as as_markdown
    from ..systems import load

    console = Console(markup=False, highlight=False, soft_wrap=True)
    protocol = DriveProtocol(seed=seed, steady=steady)
    scores: list[DriveScore] = []
    try:
        if frames < 2:
            raise ValueError(f"--frames must be at least 2, got {frames}")
        estimator = load(model, None, device)
        for kind in kinds:
            options = DriveOptions(kind=kind, seed=seed, frames=frames, speed_mps=SPEED_MPS[kind])
            with console.status(f"{action} through a {kind}") as status:

                def told(index: int, kind: str = kind) -> None:
                    status.update(f"{kind}: frame {index + 1} of {frames}")

                seen = drive(options, cache, told)
                scores += judge_drive(estimator, options, seen, ways, protocol)
        table = as_markdown(scores)
        console.print(table)
        if json_file is not None:
            document = {"protocol": asdict(protocol), "rows": [score.row() for score in scores]}
            _write(json_file, json.dumps(document, indent=2) + "\n")
        if markdown is not None:
            _write(markdown, table)
    except KeyError as error:  # no such model; str() of a KeyError would put quotes around it
        print(f"depth-perception scale: {error.args[0]}", file=sys.stderr)
        return 1
    except (OSError, ValueError, RuntimeError) as error:
        print(f"depth-perception scale: {error}", file=sys.stderr)
        return 1
    return 0


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
