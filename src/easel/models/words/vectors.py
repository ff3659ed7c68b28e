"""Textual inversion in a text encoder: vectors that stand in place of tokens. Knows no files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from torch import Tensor, nn

from easel.core.errors import Mismatch
from easel.core.work import Text
from easel.models.accelerate import Embedding, Machine
from easel.models.words.tokens import MARK
from easel.prompt.chunks import Chunk
from easel.prompt.embeddings import embeddings_in

Embeddings = tuple[Embedding, ...]


@contextmanager
def standing_in(table: nn.Module, chunks: Sequence[Chunk], width: int) -> Iterator[None]:
    """Let the vectors of chunks stand in place of what `table` gives for their tokens, while the context lasts.

    Row i of the forward is chunk i.
    """
    places: list[tuple[int, int, Any, int]] = [
        (row, *vector) for row, chunk in enumerate(chunks) for vector in chunk.vectors
    ]
    if not places:
        yield
        return

    def hook(module: nn.Module, inputs: Any, found: Tensor) -> Tensor:
        found = found.clone()
        for row, place, embedding, which in places:
            found[row, place] = embedding.vectors[width][which].to(found)
        return found

    handle = table.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def named(texts: Sequence[Text], widths: Sequence[int], machine: Machine) -> list[Embeddings]:
    """Return for each text the embeddings that it names and that have vectors for text encoders of all these widths.

    The name of another is a word like any, as A1111 has it. Raises Mismatch where it is marked as an embedding.
    """
    return [tuple(of for of in meant(text, machine) if fits(of, widths, text)) for text in texts]


def meant(text: Text, machine: Machine) -> list[Embedding]:
    """Return the embeddings that a text names: those that stand in files, and those of the networks worn for it."""
    brought: list[Embedding] = [one for network, _ in text.networks for one in network.embeddings]
    named = set(embeddings_in(text.text, [one.name for one in brought]))
    return [*machine.embeddings(text.text), *(one for one in brought if one.name in named)]


def widths_of(parts: Mapping[str, nn.Module]) -> set[int]:
    """Return the widths of a model's CLIPs; an embedding must have vectors of all. parts: the whole model's."""
    configs = [cast(Any, part).config for name, part in parts.items() if name.startswith("text_encoder")]
    return {config.hidden_size for config in configs if config.model_type.startswith("clip")}


def fits(embedding: Embedding, widths: Sequence[int], text: Text) -> bool:
    """Return whether an embedding has vectors of all widths. Raises Mismatch where a text means it and it has not."""
    if set(widths) <= embedding.vectors.keys():
        return True
    if f"{MARK}{embedding.name}".casefold() in text.text.casefold():
        has, needs = (" and ".join(str(width) for width in sorted(each)) for each in (embedding.vectors, widths))
        raise Mismatch(
            f"embedding {embedding.name}: has vectors of width {has}; this model's text encoders need {needs}."
        )
    return False
