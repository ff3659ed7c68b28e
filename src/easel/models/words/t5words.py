"""T5's words: where its vocabulary is found, and a prompt as its tokens, each with a weight.

Few files of weights carry the vocabulary, and the package does not; it is looked for beside them. Knows no weights, and
leaves the formats of vocabularies to models/words/spiece.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from easel.core.errors import Incomplete
from easel.core.work import Text
from easel.models.files.opening import listing_of
from easel.models.words.spiece import END, PAD, UNKNOWN, Vocabulary, pieces_in, read_pieces, read_tokenizer
from easel.prompt.attention import Fragment, parse_attention
from easel.prompt.chunks import Chunk

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CARRIED = "spiece_model"  # a tensor of bytes in which some files of weights bring the vocabulary along
ABOVE = 3  # folders above the weights in which tokenizers/t5 is looked for


@dataclass(frozen=True, slots=True, eq=False)
class PieceReader:
    """A tokenizer, and the numbers of its marks."""

    tokenizer: Tokenizer
    end: int
    pad: int

    def chunk(self, text: Text, bucket: int) -> Chunk:
        """Return a text as one chunk, filled up to a multiple of `bucket` tokens; BREAK has no meaning in it.

        Each fragment of equal weight is tokenised on its own, as CLIP's are. Marks and padding weigh 1.
        """
        fragments = (Fragment(text.text),) if text.words.emphasis == "None" else parse_attention(text.text)
        tokens = [
            (number, fragment.weight)
            for fragment in fragments
            if not fragment.is_break
            for number in self.tokenizer.encode(fragment.text, add_special_tokens=False).ids
        ]
        tokens.append((self.end, 1.0))
        tokens += [(self.pad, 1.0)] * (-len(tokens) % bucket)
        return Chunk(tuple(number for number, _ in tokens), tuple(weight for _, weight in tokens))


def piece_reader(where: Path) -> PieceReader:
    """Return the reader of the T5 whose weights are at `where`, a file or a folder. Raises Incomplete."""
    vocabulary = found_beside(where) or carried_by(where)
    if vocabulary is None:
        root = where if where.is_dir() else where.parent
        raise Incomplete(
            f"{where}: T5's vocabulary is not there; put spiece.model or tokenizer.json beside it: "
            f"`hf download google/t5-v1_1-xxl spiece.model --local-dir {root}`."
        )
    return reader_of(vocabulary)


def found_beside(where: Path) -> Vocabulary | None:
    """Return the vocabulary from the nearest place where one is. Raises Incomplete for a damaged one."""
    for place in places(where):
        for name, read in (("tokenizer.json", read_tokenizer), ("spiece.model", read_pieces)):
            if (file := place / name).is_file() and (found := read(file)) is not None:
                return found
    return None


def places(where: Path) -> Iterator[Path]:
    """Yield the folders in which a vocabulary may be: diffusers' own, beside the weights, and tokenizers/t5 above."""
    root = where if where.is_dir() else where.parent
    if root.name.startswith("text_encoder"):
        yield root.parent / root.name.replace("text_encoder", "tokenizer")
    yield root
    for above in (root, *list(root.parents)[:ABOVE]):
        yield above / "tokenizers" / "t5"


def carried_by(where: Path) -> Vocabulary | None:
    """Return the vocabulary that a file of weights brings along. Raises Incomplete for a damaged one."""
    if where.is_dir():
        return None
    key = next((name for name in listing_of(where).tensors if name.endswith(CARRIED)), None)
    if key is None:
        return None
    from easel.models.files.weights import read_tensors

    carried: Any = read_tensors((where,), (key,))[key]
    return pieces_in(carried.numpy().tobytes(), f"{where}: {key!r}")


def reader_of(vocabulary: Vocabulary) -> PieceReader:
    """Return the reader with this vocabulary: words are parted at spaces, and each begins with the sign for one."""
    from tokenizers import Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import Unigram

    numbers = {piece: number for number, (piece, _) in enumerate(vocabulary.pieces)}
    tokenizer: Any = Tokenizer(Unigram(list(vocabulary.pieces), numbers[UNKNOWN], False))
    if vocabulary.characters:
        tokenizer.normalizer = normalizers.Precompiled(vocabulary.characters)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True),
        ]
    )
    return PieceReader(tokenizer, numbers[END], numbers[PAD])
