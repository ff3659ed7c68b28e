"""Text to hidden states by T5's encoder, with emphasis; for the families that read long sentences.

Raffel et al. 2019, arXiv:1910.10683. Each text is encoded as if alone. Texts are filled up to a number of tokens that
the family was trained on, and the filling is read like words, as its peers do; longer ones take as many more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from easel.core.errors import Mismatch
from easel.core.work import Networks, Text
from easel.models.accelerate import Machine
from easel.models.files.listing import one_line
from easel.models.files.packed_layers import expect_asking
from easel.models.files.weights import build
from easel.models.layouts.sources import Source
from easel.models.words.t5words import PieceReader, piece_reader
from easel.models.words.text import emphasised, networks_of

if TYPE_CHECKING:
    from transformers import T5EncoderModel

TOKENS = 4096  # of one forward at most; 16 texts of 256
TWICE = "encoder.embed_tokens.weight"  # another name of the words' table


@dataclass(frozen=True, slots=True, eq=False)
class T5Encoder:
    """T5's encoder, the reader that feeds it, and the number of tokens to whose multiples texts are filled up.

    part: its name in the model.
    """

    part: str
    reader: PieceReader
    model: T5EncoderModel
    machine: Machine
    bucket: int

    def encode(self, texts: Sequence[Text], parts: Mapping[str, nn.Module]) -> list[Tensor]:
        """Return for each text its hidden states, (tokens, width) float32, weighted as its emphasis asks.

        parts: all of the model, for the networks that texts wear.
        """
        chunks = [self.reader.chunk(text, self.bucket) for text in texts]
        found: dict[int, Tensor] = {}
        for length in sorted({len(chunk.ids) for chunk in chunks}):
            alike = [place for place, chunk in enumerate(chunks) if len(chunk.ids) == length]
            rows = max(1, TOKENS // length)
            for some in (alike[first : first + rows] for first in range(0, len(alike), rows)):
                worn = networks_of([texts[place] for place in some])
                found |= zip(some, self.states([chunks[place].ids for place in some], worn, parts), strict=True)
        weights = [torch.tensor([chunk.weights]) for chunk in chunks]
        return [emphasised(found[n][None], weights[n], text.words)[0] for n, text in enumerate(texts)]

    def states(
        self, numbers: Sequence[Sequence[int]], worn: Sequence[Networks], parts: Mapping[str, nn.Module]
    ) -> Tensor:
        """Return the hidden states of texts of one length, (texts, tokens, width) float32 on the processor."""
        ids = torch.tensor(numbers, device=self.machine.device)
        with self.machine.using(self.model), self.machine.wearing(parts, self.part, worn):
            return self.model(input_ids=ids).last_hidden_state.to("cpu", torch.float32)


def load_t5(source: Source, machine: Machine, part: str, bucket: int) -> T5Encoder:
    """Return a model's T5 with its reader; in bfloat16 where the machine says float16, which it overflows.

    Raises ModelError.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import T5Config, T5EncoderModel

    where = source.where(part)
    try:
        config = T5Config(**source.config(part))
    except (ValueError, TypeError, StrictDataclassError) as error:
        raise Mismatch(f"{where}: its shapes or config make no text encoder ({one_line(error)}).") from None
    reader = piece_reader(where)
    if (known := reader.tokenizer.get_vocab_size()) > config.vocab_size:
        raise Mismatch(f"{where}: the vocabulary beside it has {known} pieces, the text encoder {config.vocab_size}.")

    def make() -> Any:
        model: Any = T5EncoderModel(config)
        model.encoder.embed_tokens = None  # until the one table of words is there
        return model

    tensors = source.tensors(part)
    words = tensors.pop(TWICE, None)
    if words is not None:
        tensors.setdefault("shared.weight", words)
    model: Any = build(
        make,
        tensors,
        where,
        dtype=torch.bfloat16 if machine.exact == torch.float16 else machine.exact,
        device=machine.home,
        names=source.names(part),
        keep=machine.weights,
    )
    for name, layer in model.named_modules():
        if name.endswith(".DenseReluDense.wo"):  # asked for its format twice in each forward
            expect_asking(layer)
    model.encoder.set_input_embeddings(model.shared)
    return T5Encoder(part, reader, model, machine, bucket)
