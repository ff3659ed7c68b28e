"""Words to tokens as a model's text encoder counts them; no weights, no torch of our own.

Knows CLIP's tokenizer files and where a prompt's chunks end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from easel.core.errors import Incomplete
from easel.core.work import Text
from easel.prompt.attention import Fragment, parse_attention
from easel.prompt.chunks import CHUNK, Chunk, Marks, chunked

if TYPE_CHECKING:
    from transformers import CLIPTokenizer


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """A tokenizer and the tokens that have a meaning of their own."""

    tokenizer: CLIPTokenizer
    marks: Marks

    def chunks(self, text: Text) -> tuple[Chunk, ...]:
        """Return the chunks of one text, read as its words ask."""
        fragments = (Fragment(text.text),) if text.words.emphasis == "None" else parse_attention(text.text)
        return chunked(fragments, self.tokens, self.marks, backtrack=text.words.comma_backtrack)

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


def load_reader(folder: Path, room: int = CHUNK) -> Reader:
    """Return the reader of a diffusers folder; `room`: tokens of a chunk beside its marks. Raises Incomplete."""
    from transformers import CLIPTokenizer

    for file in ("vocab.json", "merges.txt"):
        if not (folder / "tokenizer" / file).is_file():
            raise Incomplete(f"{folder / 'tokenizer' / file}: missing; fetch the whole folder again.")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    marks = Marks(
        begin=tokenizer.bos_token_id,
        end=tokenizer.eos_token_id,
        pad=tokenizer.pad_token_id,
        comma=tokenizer.get_vocab().get(",</w>"),
        room=room,
    )
    return Reader(tokenizer, marks)
