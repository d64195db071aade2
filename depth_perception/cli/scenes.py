"""``depth-perception scenes``: text embeddings of the scene classes, to train ScaleDepth with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro


def main(
    output: Annotated[Path, tyro.conf.Positional],
    model: str = "convnext_large_d_320",
    pretrained: str = "laion2b_s29b_b131k_ft_soup",
    device: str = "cpu",
) -> int:
    """Write text embeddings of the 28 scene classes of ScaleDepth, to train it with.

    They are made by the text encoder of CLIP and need open_clip (pip install open_clip_torch).
    Inference does not need them: they are in the weights.

    Args:
        output: the file to write, ending in .safetensors.
        model: name of a model of open_clip; its embeddings have 768 numbers for ScaleDepth.
        pretrained: tag of the model's weights, which are fetched, or a file.
        device: where the text encoder runs.

    Returns:
        0, 1 if the embeddings could not be made, 2 for wrong usage.
    """
    from ..io.atomic import replacing
    from ..systems.scaledepth.config import SCENE_CLASSES
    from ..systems.scaledepth.files import write_class_embeddings
    from ..systems.scaledepth.text import (
        OpenClipError,
        class_embeddings,
        imagenet_prompts,
        open_clip_encoder,
    )

    if output.suffix != ".safetensors":
        print(f"depth-perception scenes: {output} must end in .safetensors", file=sys.stderr)
        return 2
    try:
        prompts = imagenet_prompts()
        encode = open_clip_encoder(model, pretrained, device)
        table = class_embeddings(encode, SCENE_CLASSES, prompts)
        with replacing(output) as path:
            source = f"{model} {pretrained}, {len(prompts)} prompts"
            write_class_embeddings(path, table, SCENE_CLASSES, source=source)
    except (OpenClipError, OSError) as error:
        print(f"depth-perception scenes: {error}", file=sys.stderr)
        return 1
    print(f"{len(table)} classes of {table.shape[1]} numbers: {output}")
    return 0
