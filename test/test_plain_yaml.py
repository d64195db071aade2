"""YAML from outside."""

from __future__ import annotations

import time

import pytest

from depth_perception.plain_yaml import YamlError, load_yaml, shown

LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_values_are_plain() -> None:
    assert load_yaml(b"{a: [1, 2.5, yes], b: null}") == {"a": [1, 2.5, True], "b": None}


@pytest.mark.parametrize(
    "text",
    [
        b"a: [", b"\xff", b"[" * 100_000, b"a: 2024-13-45", b"!!python/object:os.system x", b"\0",
        b"{[1]: 2}", b"a: *b", b"? {a: b}\n: c", b"a: !!binary \xc3\xa9",
    ],
)  # fmt: skip
def test_every_other_text_is_one_error(text: bytes) -> None:
    with pytest.raises(YamlError) as caught:
        load_yaml(text)
    assert len(str(caught.value)) < 30
    assert isinstance(caught.value.__cause__, Exception)


def test_the_line_is_named_and_not_quoted() -> None:
    with pytest.raises(YamlError) as caught:
        load_yaml("a: 1\nsecret: [\n")
    assert "(line " in str(caught.value)
    assert "secret" not in str(caught.value)


def test_values_of_aliases_stay_short_in_messages() -> None:
    began = time.monotonic()
    text = shown(load_yaml(LAUGHS))
    assert len(text) < 250
    assert time.monotonic() - began < 5, "written out it would take minutes"
