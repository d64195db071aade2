"""``depth-perception scale``: accuracy of recovered metric scale on synthetic drives."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..io.atomic import write_bytes
from .terminal import failed, plain_console

SPEED_MPS = {"street": 3.0, "courtyard": 1.5, "corridor": 1.0, "room": 0.8}
Source = Literal["points", "points alone", "camera_height", "camera_height alone"]


def main(
    action: Annotated[Literal["drive"], tyro.conf.Positional],
    *,
    model: str = "panda-tiny-metric",
    kinds: tuple[Literal["street", "courtyard", "corridor", "room"], ...] = ("street", "room"),
    seed: int = 940000000,
    frames: int = 300,
    ways: tuple[Source, ...] = ("points", "points alone", "camera_height", "camera_height alone"),
    steady: bool = False,
    lacks: Literal["scale_shift", "scale"] = "scale_shift",
    device: str | None = None,
    cache: Path | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    markdown: Path | None = None,
) -> int:
    """Drive through synthetic worlds with a simulated lidar and recover the metres of a model.

    The lidar has 16 beams, 30 % outliers and a delay of 20 ms. The model's output gets a random
    scale and shift in every frame, or a random factor alone, which the recovery does not know.

    Args:
        action: `drive` is the only one.
        model: a metric model of panoramas.
        kinds: kinds of world, one drive through each.
        seed: of the worlds and of all random draws.
        frames: of each drive, 10 per second.
        ways: sources of scale; with ` alone` appended each frame is fitted independently.
        steady: one random scale and shift for the whole drive.
        lacks: what is hidden from the recovery: scale_shift (as in relative models of PanDA) or
            scale (one factor of inverse depth, as in DA360).
        device: cpu, cuda, ... Default: CUDA if available.
        cache: folder that keeps rendered drives.
        json_file: write all numbers to this file.
        markdown: write the table to this file.
    """
    console = plain_console()
    try:
        if frames < 2:
            raise ValueError(f"--frames must be at least 2, got {frames}")
        from ..systems import card

        card(model)  # reject an unknown name before the networks are imported
        from ..evaluation import scale_drive
        from ..systems import load

        protocol = scale_drive.DriveProtocol(seed=seed, steady=steady, lacks=lacks)
        scores: list[scale_drive.DriveScore] = []
        estimator = load(model, None, device, output_size="input")
        for kind in kinds:
            options = scale_drive.DriveOptions(kind, seed, frames, speed_mps=SPEED_MPS[kind])
            with console.status(f"{action} through a {kind}") as status:

                def show(index: int, kind: str = kind) -> None:
                    status.update(f"{kind}: frame {index + 1} of {frames}")

                recorded = scale_drive.drive(options, cache, show)
                scores += scale_drive.score_drive(estimator, options, recorded, ways, protocol)
        table = scale_drive.markdown(scores)
        console.print(table)
        if json_file is not None:
            document = {"protocol": asdict(protocol), "rows": [score.row() for score in scores]}
            write_bytes(json_file, f"{json.dumps(document, indent=2)}\n".encode())
        if markdown is not None:
            write_bytes(markdown, table.encode())
    except (KeyError, OSError, ValueError, RuntimeError) as error:  # KeyError: no such model
        return failed("scale", error)
    return 0
