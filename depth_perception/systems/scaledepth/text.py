"""Text embeddings of the scene classes of ScaleDepth, by any text encoder of open_clip.

open_clip is not installed with the package: only this file needs it, and only once, before a
training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor

OPEN_CLIP_MODEL = "convnext_large_d_320"
OPEN_CLIP_WEIGHTS = "laion2b_s29b_b131k_ft_soup"

Encode = Callable[[Sequence[str]], Tensor]
"""Texts to their embeddings (texts, width)."""

_BATCH = 80


class OpenClipError(RuntimeError):
    """open_clip is not installed, or the requested model is unknown or cannot be loaded."""


def class_embeddings(encode: Encode, names: Sequence[str], prompts: Sequence[str]) -> Tensor:
    """Embeddings (names, width) float32 of length 1, the mean direction over the prompts.

    The authors did not publish how theirs were made. Their program is based on VPD (arXiv
    2303.02153), which takes the mean over the prompts of CLIP for ImageNet.

    Args:
        encode: the text encoder.
        names: of the classes, words separated by underscores.
        prompts: texts with ``{}`` where the name goes.
    """
    if not prompts or any("{}" not in prompt for prompt in prompts):
        raise ValueError(f"prompts need {{}} where the name goes, got {list(prompts)}")
    rows = []
    for name in names:
        texts = [prompt.replace("{}", name.replace("_", " ")) for prompt in prompts]
        rows.append(encode(texts).float().mean(0))
    return F.normalize(torch.stack(rows), dim=-1).cpu()


def imagenet_prompts() -> tuple[str, ...]:
    """The 80 prompts of CLIP for ImageNet; OpenClipError if open_clip is not installed."""
    return tuple(template("{}") for template in _open_clip().OPENAI_IMAGENET_TEMPLATES)


def open_clip_encoder(
    model: str = OPEN_CLIP_MODEL,
    pretrained: str | None = OPEN_CLIP_WEIGHTS,
    device: torch.device | str = "cpu",
) -> Encode:
    """The text encoder of a model of open_clip.

    Args:
        model: name of a model of open_clip.
        pretrained: tag of its weights, which are then fetched, or a file; None for random weights,
            which are useful only in tests.

    Raises:
        OpenClipError: open_clip is not installed, or the model cannot be loaded.
    """
    library = _open_clip()
    try:
        network = library.create_model(model, pretrained=pretrained, device=device).eval()
        tokenize = library.get_tokenizer(model)
    except Exception as error:  # whichever error the library or the download raises
        raise OpenClipError(f"open_clip gives no {model} ({pretrained}): {error}") from error

    def encode(texts: Sequence[str]) -> Tensor:
        with torch.inference_mode():
            tokens = tokenize(list(texts)).to(device)
            return torch.cat([network.encode_text(part) for part in tokens.split(_BATCH)])

    return encode


def _open_clip() -> ModuleType:
    try:
        import open_clip
    except ImportError as error:
        raise OpenClipError(
            "text embeddings need open_clip, which is not installed: pip install 'open_clip_torch"
            ">=2.20,<4'"
        ) from error
    return open_clip
