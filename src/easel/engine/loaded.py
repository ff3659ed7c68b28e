"""What a request wears, as it was loaded: a network of a file as a prompt's tag asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from easel.adapters.embedding import Embedding, embedding_of
from easel.adapters.networks.reading import Network


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LoadedNetwork:
    """One network. name: as it was asked for; blocks: weights of the denoiser's blocks, "" for all alike.

    embeddings: those that its file brings along, each meant by its word wherever the network is worn.
    """

    name: str
    network: Network = field(repr=False)
    blocks: str = ""
    embeddings: tuple[Embedding, ...] = field(default=(), repr=False)

    @property
    def hash(self) -> str:
        """Of the file, twelve hex digits as infotext's "Lora hashes" has them."""
        return self.network.hash


def embeddings_of(network: Network) -> tuple[Embedding, ...]:
    """Return the embeddings in a network's file. Raises ModelError naming it."""
    return tuple(embedding_of(network.path, word, tensors) for word, tensors in network.bundled.items())
