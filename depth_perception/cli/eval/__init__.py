"""``depth-perception eval``: metrics of a model on a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import tyro

from ...io.atomic import write_text
from ..terminal import failed, table_console
from .job import BaselineOptions, Dataset, Job, ModelOptions, ReportOptions, RuleOptions

_PLAIN_WIDTH = 160  # columns of a table that is piped into a file or another program
_FLAT = tyro.conf.arg(name="")


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
    """Evaluate a model on a data set by the metrics of its paper, mean over the frames.

    `worlds`, `3d60`, `structured3d`, `deep360`, `matterport3d` and `stanford2d3d` are for panoramic
    models, the others for pinhole models: five benchmarks with their published crops and masks,
    the lidar of KITTI raw, eight data sets by the rules of ScaleDepth, and three with segments for
    panoptic models. `reality` is a folder of real images of either camera, each with measured depth
    (NAME.depth.npz) and its camera (NAME.camera.json). `worlds` with --protocol panoptic is for
    panoptic models and needs labels. `depth-perception data list NAME` shows the
    files that a data set needs.

    Args:
        model: name of the model (see `depth-perception models`).
        dataset: kind of data set.
        root: folder of the data set.
        network: how the model runs.
        rules: what is scored and how it is compared.
        also: baselines.
        report: which frames, and where the results go.
    """
    console = table_console(_PLAIN_WIDTH)
    try:
        job = Job(model, dataset, root, network, rules, also, report, console)
        from .run import run, run_panoptic, run_reality, run_segments

        ways = {"panoptic": run_panoptic, "reality": run_reality, "segments": run_segments}
        found = ways.get(job.benchmark.kind, run)(job)
        for sheet in found.sheets:
            console.print(sheet.table())
        console.print(found.summary)
        if report.json_file is not None:
            write_text(report.json_file, json.dumps(found.document, indent=2) + "\n")
        if report.markdown is not None:
            write_text(report.markdown, "\n".join(sheet.markdown() for sheet in found.sheets))
    except (KeyError, OSError, ValueError) as error:  # KeyError: no such model
        return failed("eval", error)
    return 0
