"""``depth-perception models``: the available models as a table."""

from __future__ import annotations

from ..systems import ModelCard, models, weights_path
from .terminal import plain_table, table_console


def main(*, wide: bool = False, all: bool = False) -> int:
    """List the models: camera, output, size, licence of the weights, whether they are installed.

    Args:
        wide: also show titles, heights of the network input, notes and sources.
        all: also show the small models without released weights that tests and tutorials train.
    """
    table = plain_table()
    for column in ("model", "camera"):
        table.add_column(column, no_wrap=True)
    table.add_column("output", min_width=10)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("weights licence", min_width=12)
    table.add_column("installed", no_wrap=True)
    if wide:
        for column in ("height", "title", "notes", "source"):
            table.add_column(column)
    for model in models():
        if all or not model.for_tests:
            camera = "360°" if model.camera == "equirectangular" else model.camera
            size = f"{model.parameters / 1e6:.1f} M"
            installed = "yes" if weights_path(model.name).exists() else "-"
            cells = [model.name, camera, _values(model), size, model.weights_licence, installed]
            if wide:
                cells += [str(model.default_height), model.title, model.notes, model.source]
            table.add_row(*cells)
    table_console(240).print(table)
    return 0


def _values(model: ModelCard) -> str:
    from ..depth_space import ScaleKind

    if not model.has_depth:
        return "segments"
    if model.max_depth_m is not None:
        return f"{model.kind.value}, up to {model.max_depth_m:g} m"
    if model.is_metric:
        return f"{model.kind.value}, m"
    if model.scale is ScaleKind.SCALE_INVARIANT:
        return f"{model.kind.value} up to a factor"
    return f"relative {model.space.value.replace('_', ' ')}"
