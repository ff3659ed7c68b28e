"""Words to tokens as a model's text encoder counts them; no weights, no torch of our own.

Knows CLIP's tokenizer and where a prompt's chunks end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def load_reader(path: Path) -> Reader:
    """Return the reader of the model at `path`. Raises ModelError."""
    from easel.models.identify import identify
    from easel.models.sources import source_of

    return source_of(identify(path)).reader()


def folder_reader(folder: Path, room: int | None = None) -> Reader:
    """Return the reader of a diffusers folder; `room`: tokens of a chunk beside its marks. Raises Incomplete."""
    from transformers import CLIPTokenizer

    for file in ("vocab.json", "merges.txt"):
        if not (folder / "tokenizer" / file).is_file():
            raise Incomplete(f"{folder / 'tokenizer' / file}: missing; fetch the whole folder again.")
    return reader_with(CLIPTokenizer.from_pretrained(folder / "tokenizer"), room)


def bundled_reader(room: int | None = None, *, pads_with_end: bool = True) -> Reader:
    """Return the reader with CLIP's own vocabulary, which single files are trained on and do not carry.

    pads_with_end: whether short texts are filled up with the end mark, as CLIP has it; else with token 0, as OpenCLIP.
    """
    from transformers import CLIPTokenizer

    from easel.models.vocabulary import clip_vocabulary

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
