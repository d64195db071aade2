"""``depth-perception eval``: how far a model is from the truth."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from .job import (
    PANORAMAS,
    BaselineOptions,
    Dataset,
    Job,
    Judged,
    ModelOptions,
    ReportOptions,
    RuleOptions,
)

_PLAIN_WIDTH = 160  # columns of a table that is piped into a file or another program
_FLAT = tyro.conf.arg(name="")
_PANORAMIC = ("worlds", "3d60", *PANORAMAS)


def main(
    model: Annotated[str, tyro.conf.Positional],
    dataset: Annotated[Dataset, tyro.conf.Positional],
    root: Annotated[Path, tyro.conf.Positional],
    *,
    network: Annotated[ModelOptions, _FLAT],
    rules: Annotated[RuleOptions, _FLAT, tyro.conf.FlagCreatePairsOff],
    also: Annotated[BaselineOptions, _FLAT, tyro.conf.FlagCreatePairsOff],
    report: Annotated[ReportOptions, _FLAT],
) -> int:
    """Judge a model on a data set by the numbers of its paper, mean over the frames.

    `worlds`, `3d60`, `structured3d`, `deep360`, `matterport3d` and `stanford2d3d` are for panoramic
    models, the others for pinhole models: five benchmarks with their published crops and masks,
    the lidar of KITTI raw, eight data sets by the rules of ScaleDepth, and three with segments for
    panoptic models. `depth-perception data list NAME` says what has to lie where.

    Args:
        model: name of the model (see `depth-perception models`).
        dataset: kind of data set.
        root: its folder.
        network: how the model runs.
        rules: what counts and how it is compared.
        also: what else is judged.
        report: which frames, and where the numbers go.
    """
    console = Console()
    console = console if console.is_terminal else Console(width=_PLAIN_WIDTH)
    try:
        job = Job(model, dataset, root, network, rules, also, report, console, _family(model))
        _show(_judge(job), job)
    except KeyError as error:  # no such model; str() of a KeyError would put quotes around the text
        print(f"depth-perception eval: {error.args[0]}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"depth-perception eval: {error}", file=sys.stderr)
        return 1
    return 0


def _family(model: str) -> str:
    from ...systems import catalog

    entry, system = catalog.model(model), catalog.system_of(model)
    if system.name == "blindspot" and entry.card.camera == "pinhole":
        return "blindspot_pinhole"
    if system.name == "panda" and entry.arguments["config"].pyramid is not None:
        return "panda_hybrid"
    return system.name


def _judge(job: Job) -> Judged:
    from ...systems.catalog import card
    from .panoptic import judge_panoptic
    from .panoramas import judge_panoramas, judge_threed60, judge_worlds
    from .pinhole import judge_benchmark, judge_kitti_raw

    wanted = "equirectangular" if job.dataset in _PANORAMIC else "pinhole"
    if card(job.model).camera != wanted:
        kind = "panoramic model" if wanted == "equirectangular" else "model of pinhole cameras"
        raise ValueError(f"{job.model} is no {kind}, as {job.dataset} needs")
    if job.protocol == "panoptic":
        return judge_panoptic(job)
    by_name = {"worlds": judge_worlds, "3d60": judge_threed60, "kitti-raw": judge_kitti_raw}
    by_name |= dict.fromkeys(PANORAMAS, judge_panoramas)
    return by_name.get(job.dataset, judge_benchmark)(job)


def _show(result: Judged, job: Job) -> None:
    sheets = (result.sheet, *result.more)
    for sheet in sheets:
        job.console.print(sheet.table())
    job.console.print(result.summary)
    if job.report.json_file is not None:
        _write(job.report.json_file, json.dumps(result.document, indent=2) + "\n")
    if job.report.markdown is not None:
        _write(job.report.markdown, "\n".join(sheet.markdown() for sheet in sheets))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
