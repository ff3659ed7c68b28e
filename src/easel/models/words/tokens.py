"""Words to tokens as a model's text encoder counts them; no weights, no torch of our own.

Knows CLIP's tokenizer and where a prompt's chunks end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from easel.core.errors import Incomplete
from easel.core.work import Text
from easel.prompt.attention import Fragment, parse_attention
from easel.prompt.chunks import CHUNK, Chunk, Marks, Vectors, chunked

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

    from easel.models.accelerate import Embedding

MARK = "embedding:"  # ComfyUI's sign of one, before its name


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """A tokenizer and the tokens that have a meaning of their own."""

    tokenizer: CLIPTokenizer
    marks: Marks

    def chunks(self, text: Text, embeddings: Sequence[Embedding] = ()) -> tuple[Chunk, ...]:
        """Return the chunks of one text, read as its words ask, with the vectors of embeddings that it names."""
        fragments = (Fragment(text.text),) if text.words.emphasis == "None" else parse_attention(text.text)
        tokens = self.with_vectors(embeddings) if embeddings else self.tokens
        return chunked(fragments, tokens, self.marks, backtrack=text.words.comma_backtrack)

    def with_vectors(self, embeddings: Sequence[Embedding]) -> Callable[[str], list[int | Vectors]]:
        """Return a tokenizer that has the vectors of embeddings in place of their names, of which the longest wins.

        Names are found among the tokens, as A1111 finds them; ComfyUI's sign of an embedding may stand before.
        """
        signs = {
            tuple(self.tokens(sign + embedding.name + ending)): Vectors(embedding, count_of(embedding))
            for embedding in embeddings
            for sign, ending in (("", ""), (MARK, ""), (MARK, ".pt"), (MARK, ".safetensors"))
        }
        longest_first = sorted((sign for sign in signs if sign), key=len, reverse=True)

        def tokens(text: str) -> list[int | Vectors]:
            numbers, found, place = self.tokens(text), list[int | Vectors](), 0
            while place < len(numbers):
                sign = next((s for s in longest_first if tuple(numbers[place : place + len(s)]) == s), None)
                found.append(signs[sign] if sign else numbers[place])
                place += len(sign) if sign else 1
            return found

        return tokens

    def tokens(self, text: str) -> list[int]:
        """Return the token ids of `text` without marks, however long."""
        return self.tokenizer.encode(text, add_special_tokens=False, verbose=False)

    def inside(self, chunk: Chunk) -> list[tuple[int, float]]:
        """Return the tokens of a chunk between its marks, each with its weight."""
        pairs = list(zip(chunk.ids, chunk.weights, strict=True))[1:]
        length = next((n for n, (number, _) in enumerate(pairs) if number == self.marks.end), len(pairs))
        return pairs[:length]

    def spelled(self, chunk: Chunk) -> list[tuple[str, float]]:
        """Return the words of a chunk as the text encoder sees them, each with its weight."""
        words: list[tuple[list[int], float]] = []
        ended = True
        for number, weight in self.inside(chunk):
            if ended or words[-1][1] != weight:
                words.append(([], weight))
            words[-1][0].append(number)
            ended = str(self.tokenizer.convert_ids_to_tokens(number)).endswith("</w>")
        return [(str(self.tokenizer.decode(numbers)).strip(), weight) for numbers, weight in words]


def count_of(embedding: Embedding) -> int:
    """Return how many vectors an embedding has, the same number for each text encoder."""
    return len(next(iter(embedding.vectors.values())))


def load_reader(path: Path) -> Reader:
    """Return the reader of the model at `path`. Raises ModelError."""
    from easel.models.layouts.identify import identify
    from easel.models.layouts.sources import source_of

    source = source_of(identify(path))
    return source.reader("text_encoder" if source.has("text_encoder") else "text_encoder_2")


def folder_reader(folder: Path, part: str = "text_encoder", room: int | None = None) -> Reader:
    """Return the reader of a text encoder in a diffusers folder. Raises Incomplete.

    room: tokens of a chunk beside its marks.
    """
    from transformers import CLIPTokenizer

    words = folder / part.replace("text_encoder", "tokenizer")
    for file in ("vocab.json", "merges.txt"):
        if not (words / file).is_file():
            raise Incomplete(f"{words / file}: missing; fetch the whole folder again.")
    return reader_with(CLIPTokenizer.from_pretrained(words), room)


def bundled_reader(room: int | None = None, *, pads_with_end: bool = True) -> Reader:
    """Return the reader with CLIP's own vocabulary, which single files are trained on and do not carry.

    pads_with_end: whether short texts are filled up with the end mark, as CLIP has it; else with token 0, as OpenCLIP.
    """
    from transformers import CLIPTokenizer

    from easel.models.words.vocabulary import clip_vocabulary

    words, merges = clip_vocabulary()
    pad = "<|endoftext|>" if pads_with_end else "!"
    made: Any = CLIPTokenizer  # takes pairs as well as lines
    return reader_with(made(vocab=words, merges=merges, pad_token=pad, model_max_length=77), room)


def reader_with(tokenizer: Any, room: int | None) -> Reader:
    """Return a tokenizer with its marks."""
    marks = Marks(
        begin=tokenizer.bos_token_id,
        end=tokenizer.eos_token_id,
        pad=tokenizer.pad_token_id,
        comma=tokenizer.get_vocab().get(",</w>"),
        room=room or CHUNK,
    )
    return Reader(tokenizer, marks)
