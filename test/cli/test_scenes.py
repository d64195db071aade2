"""The command scenes, with a stand-in for open_clip."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors import safe_open

from depth_perception.cli.main import main
from depth_perception.systems.scaledepth.config import SCENE_CLASSES
from depth_perception.systems.scaledepth.files import read_class_embeddings
from depth_perception.systems.scaledepth.text import (
    OpenClipError,
    class_embeddings,
    imagenet_prompts,
    open_clip_encoder,
)

WIDTH = 96


class TextEncoder(torch.nn.Module):
    """Adds one random vector for each word; texts are numbers of words here."""

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        assert not torch.is_grad_enabled()
        table = torch.randn(1000, WIDTH, generator=torch.Generator().manual_seed(0))
        table[0] = 0  # fills up short texts
        return table[tokens].sum(1)


def tokenize(texts: list[str]) -> torch.Tensor:
    words = [[sum(map(ord, word)) % 1000 for word in text.split()] for text in texts]
    longest = max(map(len, words))
    return torch.tensor([row + [0] * (longest - len(row)) for row in words])


@pytest.fixture
def open_clip(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("open_clip")
    module.OPENAI_IMAGENET_TEMPLATES = (lambda c: f"a photo of a {c}.", lambda c: f"the {c}")
    module.asked = []

    def create_model(name: str, pretrained: str | None, device: str) -> TextEncoder:
        if name == "unknown":
            raise RuntimeError("no such model")
        module.asked.append((name, pretrained, device))
        return TextEncoder()

    module.create_model = create_model
    module.get_tokenizer = lambda name: tokenize
    monkeypatch.setitem(sys.modules, "open_clip", module)
    return module


def test_rows_are_the_mean_direction_over_the_prompts(open_clip: ModuleType) -> None:
    encode = open_clip_encoder()
    assert open_clip.asked == [("convnext_large_d_320", "laion2b_s29b_b131k_ft_soup", "cpu")]
    table = class_embeddings(encode, ("living_room", "cafe"), imagenet_prompts())
    texts = ["a photo of a living room.", "the living room"]
    with torch.inference_mode():
        expected = sum(encode([text])[0] for text in texts)
    torch.testing.assert_close(table[0], expected / expected.norm())
    torch.testing.assert_close(table.norm(dim=1), torch.ones(2))
    assert not torch.allclose(table[0], table[1], atol=0.1)


def test_file_is_what_a_network_reads(
    open_clip: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "scenes.safetensors"
    assert main(["scenes", str(path), "--model", "small", "--pretrained", "mine"]) == 0
    assert "28 classes of 96 numbers" in capsys.readouterr().out
    assert open_clip.asked == [("small", "mine", "cpu")]
    table = read_class_embeddings(path, 28, WIDTH)
    with torch.inference_mode():
        encode = open_clip_encoder()
        expected = class_embeddings(encode, SCENE_CLASSES, imagenet_prompts())
    assert torch.equal(table, expected)
    with safe_open(path, "pt") as file:
        assert file.metadata()["classes"].split(",") == list(SCENE_CLASSES)
        assert file.metadata()["source"] == "small mine, 2 prompts"


def test_without_open_clip_the_way_to_get_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    assert main(["scenes", str(tmp_path / "scenes.safetensors")]) == 1
    assert "pip install 'open_clip_torch" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_wrong_requests_are_named(
    open_clip: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scenes", str(tmp_path / "scenes.pth")]) == 2
    assert "must end in .safetensors" in capsys.readouterr().err
    assert main(["scenes", str(tmp_path / "s.safetensors"), "--model", "unknown"]) == 1
    assert "no such model" in capsys.readouterr().err
    with pytest.raises(OpenClipError, match="unknown"):
        open_clip_encoder("unknown")
    with pytest.raises(ValueError, match="where the name goes"):
        class_embeddings(open_clip_encoder(), ("cafe",), ("a photo",))
