"""Text to what a denoiser reads, by CLIP: the hidden states of its chunks with emphasis, and one pooled vector.

Knows CLIP; knows nothing of U-Nets. Each text is encoded as if alone, so that company never changes a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from easel.core.errors import Mismatch
from easel.core.passes import Words
from easel.core.work import Networks, Text
from easel.models.accelerate import Machine
from easel.models.files.listing import one_line
from easel.models.files.weights import build
from easel.models.layouts.sources import Source
from easel.models.words.tokens import Reader
from easel.models.words.vectors import Embeddings, standing_in
from easel.prompt.chunks import Chunk

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

ROWS = 64  # chunks of one forward at most
WRAPPER = "text_model."  # what a CLIP that projects calls its tower

Layer = Callable[[Any, Sequence[Tensor], Sequence[int]], Tensor]
Asked = Sequence[tuple[Chunk, Text]]  # chunks, each with the text that it is of


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One text as a CLIP reads it: context, (77 * chunks, width), and the first chunk's pooled vector, (width,)."""

    context: Tensor
    pooled: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class TextEncoder:
    """CLIP's text tower, the reader that feeds it, and the layer that is read of it. part: its name in the model."""

    part: str
    reader: Reader
    model: CLIPTextModel | CLIPTextModelWithProjection
    machine: Machine
    layer: Layer

    @property
    def width(self) -> int:
        """The width of a token's vector."""
        return int(tower(self.model).config.hidden_size)

    def encode(
        self, texts: Sequence[Text], embeddings: Sequence[Embeddings], parts: Mapping[str, nn.Module]
    ) -> list[Encoded]:
        """Return each text encoded, float32 on the processor, weighted as its emphasis asks.

        embeddings: those that each text names. parts: all of the model, for the networks that texts wear.
        """
        prompts = [self.reader.chunks(text, each) for text, each in zip(texts, embeddings, strict=True)]
        asked = [(chunk, text) for text, chunks in zip(texts, prompts, strict=True) for chunk in chunks]
        found = [self.forward(asked[first : first + ROWS], parts) for first in range(0, len(asked), ROWS)]
        states, pooled = (torch.cat(kind) for kind in zip(*found, strict=True))
        counts = [len(prompt) for prompt in prompts]
        each = zip(states.split(counts), pooled.split(counts), prompts, texts, strict=True)
        return [
            Encoded(emphasised(state, weights_of(prompt), text.words).flatten(0, 1), vectors[0])
            for state, vectors, prompt, text in each
        ]

    def forward(self, asked: Asked, parts: Mapping[str, nn.Module]) -> tuple[Tensor, Tensor]:
        """Return the hidden states of chunks, (chunks, 77, width), and their pooled vectors, float32."""
        ids = torch.tensor([chunk.ids for chunk, _ in asked], device=self.machine.device)
        table, chunks = tower(self.model).embeddings.token_embedding, [chunk for chunk, _ in asked]
        worn = networks_of([text for _, text in asked])
        with (
            self.machine.using(self.model),
            self.machine.wearing(parts, self.part, worn),
            standing_in(table, chunks, self.width),
        ):
            found: Any = self.model(input_ids=ids, output_hidden_states=True)
            states = self.layer(tower(self.model), found.hidden_states, [text.words.clip_skip for _, text in asked])
            pooled = found.text_embeds if "text_embeds" in found else found.pooler_output
            return states.to("cpu", torch.float32), pooled.to("cpu", torch.float32)


def networks_of(texts: Sequence[Text]) -> tuple[Networks, ...]:
    """Return what each text wears; empty where none wears any."""
    return tuple(text.networks for text in texts) if any(text.networks for text in texts) else ()


def tower(model: Any) -> Any:
    """Return a CLIP's text tower without the projection round it."""
    return getattr(model, "text_model", model)


def asked_layer(model: Any, found: Sequence[Tensor], skips: Sequence[int]) -> Tensor:
    """Return the layer that each chunk asks for, at most the first, after the final norm; Stable Diffusion 1 and 2."""
    last = len(found) - 1
    if set(skips) == {1}:
        return model.final_layer_norm(found[last])
    return model.final_layer_norm(torch.stack([found[max(last + 1 - n, 1)][row] for row, n in enumerate(skips)]))


def last_but_one(model: Any, found: Sequence[Tensor], skips: Sequence[int]) -> Tensor:
    """Return the last layer but one as it is: what all later families read, whatever layer was asked for."""
    return found[-2]


def weights_of(chunks: Sequence[Chunk]) -> Tensor:
    """Return the weight of each token, (chunks, 77)."""
    return torch.tensor([chunk.weights for chunk in chunks])


def emphasised(states: Tensor, weights: Tensor, words: Words) -> Tensor:
    """Return states times weights by A1111's emphasis of that name, one text at a time.

    states: (chunks, tokens, width); weights: (chunks, tokens). "Original" scales back to the mean that the states had.
    """
    if words.emphasis == "Ignore" or bool((weights == 1).all()):
        return states
    weighted = states * weights[..., None]
    if words.emphasis == "No norm":
        return weighted
    return weighted * (states.mean() / weighted.mean())


def load_text_encoder(
    source: Source, machine: Machine, layer: Layer, part: str = "text_encoder", *, projects: bool = False
) -> TextEncoder:
    """Return a CLIP of a model with its reader. projects: whether its pooled vector is projected. Raises ModelError."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    where = source.where(part)
    try:
        config = CLIPTextConfig(**source.config(part))
    except (ValueError, TypeError, StrictDataclassError) as error:
        raise Mismatch(f"{where}: its shapes or config make no text encoder ({one_line(error)}).") from None
    reader = source.reader(part, config.max_position_embeddings - 2)
    if (known := len(reader.tokenizer)) > config.vocab_size:
        raise Mismatch(f"{where}: the tokenizer knows {known} tokens, the text encoder {config.vocab_size}.")
    kind: Any = CLIPTextModelWithProjection if projects else CLIPTextModel
    tensors = source.tensors(part)
    model: Any = build(
        lambda: kind(config),
        {new: tensor for key, tensor in tensors.items() if (new := clip_name(key, projects=projects)) is not None},
        where,
        dtype=machine.exact,
        device=machine.home,
        keep=machine.exact_weights,
        names={clip_name(key, projects=projects) or key: name for key, name in source.names(part).items()},
    )
    places = torch.arange(config.max_position_embeddings, device=machine.home)[None]
    tower(model).embeddings.position_ids = places
    return TextEncoder(part, reader, model, machine, layer)


def clip_name(key: str, *, projects: bool) -> str | None:
    """Return a tensor's name in a CLIP that projects or in one that does not, where the file has the other.

    None for the projection where nobody asks for it.
    """
    bare = key.removeprefix(WRAPPER)
    if bare == "text_projection.weight":
        return bare if projects else None
    return WRAPPER + bare if projects else bare
