"""What a request wears, as it was loaded: a network of a file as a prompt's tag asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from easel.adapters.networks.reading import Network


@dataclass(frozen=True, slots=True, eq=False)
class LoadedNetwork:
    """One network. name: as it was asked for; blocks: weights of the denoiser's blocks, "" for all alike."""

    name: str
    network: Network
    blocks: str = ""

    @property
    def hash(self) -> str:
        """Of the file, twelve hex digits as infotext's "Lora hashes" has them."""
        return self.network.hash
