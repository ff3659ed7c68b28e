"""Textual inversion in the text encoders, and networks that texts wear."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from easel.adapters.embedding import Embedding
from easel.core.errors import Mismatch, Unsupported
from easel.core.settings import read_settings
from easel.core.work import Rows, Text
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from tests.tiny_families import G, L, write_tiny_sdxl


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = write_tiny_sdxl(tmp_path_factory.mktemp("models") / "xl")
    return load(identify(folder), read_settings(precision="float32"))


def embedding(name: str, count: int, *widths: int) -> Embedding:
    chance = torch.Generator().manual_seed(count)
    return Embedding(name, Path(f"{name}.pt"), {width: torch.randn(count, width, generator=chance) for width in widths})


def words(model: Any, *tokens: str) -> dict[int, torch.Tensor]:
    """The vectors that a model's own text encoders have for tokens, by width."""
    found: dict[int, torch.Tensor] = {}
    for encoder in (model.text, model.text_2):
        table = encoder.model.get_input_embeddings().weight
        numbers = [number for token in tokens for number in encoder.reader.tokens(token)]
        found[table.shape[1]] = table[numbers].detach()
    return found


def knowing(model: Any, *embeddings: Embedding) -> Any:
    """The model on a machine that has embeddings, whatever a text names."""
    return replace(model, machine=replace(model.machine, embeddings=lambda text: embeddings))


@torch.inference_mode()
def test_vectors_of_words_are_those_words(xl: Any) -> None:
    """An embedding that holds the vectors of "r e d" reads as these words do, in both encoders and beside others."""
    knows = knowing(xl, Embedding("style", Path("style.pt"), words(xl, "r e d")))
    plain, named, other = knows.encode([Text("a r e d fox"), Text("a STYLE fox"), Text("a stile fox")])
    torch.testing.assert_close(named.context, plain.context, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(named.extra["pooled"], plain.extra["pooled"], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(other.context, plain.context, atol=1e-3)
    (again,) = xl.encode([Text("a stile fox")])
    torch.testing.assert_close(again.context, other.context, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_longest_name_wins_and_comfy_s_sign_belongs_to_it(xl: Any) -> None:
    known = (embedding("style", 2, L, G), embedding("style two", 3, L, G))
    reader = xl.text.reader

    def vectors(text: str) -> list[tuple[str, int]]:
        (chunk,) = reader.chunks(Text(text), known)
        return [(of.name, which) for _, of, which in chunk.vectors]

    assert vectors("a style two") == [("style two", 0), ("style two", 1), ("style two", 2)]
    assert vectors("style, style") == [("style", 0), ("style", 1)] * 2
    for text in ("embedding:style", "embedding:style.pt", "(embedding:style:1.2)"):
        assert vectors(text) == [("style", 0), ("style", 1)]
    (chunk,) = reader.chunks(Text("a (embedding:style:1.2)"), known)
    assert (chunk.weights[:5], chunk.ids[4]) == ((1.0, 1.0, 1.2, 1.2, 1.0), reader.marks.end)


@torch.inference_mode()
def test_one_of_another_family_is_a_word_unless_it_is_meant(xl: Any) -> None:
    """Vectors of one width do not do for two encoders."""
    knows = knowing(xl, embedding("style", 2, L))
    (named,), (plain,) = (model.encode([Text("a style fox")]) for model in (knows, xl))
    assert torch.equal(named.context, plain.context)
    with pytest.raises(Mismatch, match=f"style: has vectors of width {L}; this model's text encoders need {L} and {G}"):
        knows.encode([Text("embedding:style")])


@torch.inference_mode()
def test_networks_are_refused_where_nobody_can_put_them_on(xl: Any) -> None:
    with pytest.raises(Unsupported, match="no wardrobe"):
        xl.encode([Text("a fox", networks=((SimpleNamespace(embeddings=()), 1.0),))])
    x, context = torch.randn(1, 4, 8, 8), torch.randn(1, 77, L + G)
    rows = Rows(x, torch.ones(1, dtype=torch.float64), context, {"pooled": torch.randn(1, G)}, (((object(), 1.0),),))
    with pytest.raises(Unsupported, match="no wardrobe"):
        xl.predict(rows)
