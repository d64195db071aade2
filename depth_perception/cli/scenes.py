"""``depth-perception scenes``: text embeddings of the scene classes, for training ScaleDepth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from .terminal import failed


def main(
    output: Annotated[Path, tyro.conf.Positional],
    model: str = "convnext_large_d_320",
    pretrained: str = "laion2b_s29b_b131k_ft_soup",
    device: str = "cpu",
) -> int:
    """Write text embeddings of the 28 scene classes of ScaleDepth, which its training requires.

    The text encoder of CLIP computes them; this requires open_clip (pip install open_clip_torch).
    Inference does not require them: the weights contain them.

    Args:
        output: file to write, ending in .safetensors.
        model: name of a model of open_clip; ScaleDepth requires embeddings of 768 numbers.
        pretrained: tag of the model's weights, which are downloaded, or a file.
        device: where the text encoder runs.

    Returns:
        0, 1 if the embeddings could not be computed, 2 for wrong usage.
    """
    if output.suffix != ".safetensors":
        return failed("scenes", f"{output} must end in .safetensors", 2)

    from ..io.atomic import replacing
    from ..systems.scaledepth.config import SCENE_CLASSES
    from ..systems.scaledepth.files import write_class_embeddings
    from ..systems.scaledepth.text import (
        OpenClipError,
        class_embeddings,
        imagenet_prompts,
        open_clip_encoder,
    )

    try:
        prompts = imagenet_prompts()
        encode = open_clip_encoder(model, pretrained, device)
        table = class_embeddings(encode, SCENE_CLASSES, prompts)
        with replacing(output) as path:
            source = f"{model} {pretrained}, {len(prompts)} prompts"
            write_class_embeddings(path, table, SCENE_CLASSES, source=source)
    except (OpenClipError, OSError) as error:
        return failed("scenes", error)
    print(f"{len(table)} classes of {table.shape[1]} numbers: {output}")
    return 0
