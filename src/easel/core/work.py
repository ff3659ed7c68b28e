"""The kinds of work that a recipe yields, and the rows a forward is made of.

A recipe yields one of these and is sent what its docstring names. Work whose `key` is equal shares a forward; what
differs between rows is data. `kind` is what costs alike; the key is (kind, whose it is where it wants to be alone).
Nothing here does any work: models perform, the engine decides when.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from easel.core.passes import Components, Words

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

AS_USUAL = Words()


class Worn(Protocol):
    """An adapter that changes how a model computes for as long as it is worn; adapters/ has them.

    Hashable and equal by value: work wearing unequal adapters shares no forward.
    """

    def __hash__(self) -> int: ...

    def on(self, model: Any) -> AbstractContextManager[None]:
        """Return a context in which `model` wears this; afterwards it is bit for bit as it was."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something to load from files, by name.

    kind: "model", "network" (LoRA and its like), "embeddings" (textual inversions), of which the name is a text that
    names any number of them, "hash", ten digits of a file; or what leads and finishes pictures: "controlnet",
    "ip_adapter", "clip_vision", "motion_module", "preprocessor", "upscaler", "restorer", "detector", "background", and
    "faces", what finds them, of which "" is whatever is there. options: pairs of a name and a text; of a model a part
    ("vae", "denoiser", "text_encoder") and the file that takes the place of its own; of a network "rank" and
    "blocks"; of a hash the "kind" of file.
    """

    kind: str
    name: str
    options: tuple[tuple[str, str], ...] = ()


def wanted_model(name: str, parts: Components) -> Wanted:
    """Return a model to be loaded, with the parts that come from other files."""
    single = {"vae": parts.vae, "denoiser": parts.denoiser}
    options = [(part, file) for part, file in single.items() if file is not None]
    return Wanted("model", name, (*options, *(("text_encoder", file) for file in parts.text_encoders)))


Memory = dict[str, "Tensor"]  # what a forward has left of a row, by name, (1, ...) each; a request's own


class Shortcut(Protocol):
    """What a forward may leave out by taking it from an earlier one of the same row; adapters/ has them.

    Hashable and equal by value: rows that take by unequal shortcuts share no forward. Keeping changes nothing that is
    computed, so that rows that keep share forwards with all others.
    """

    def __hash__(self) -> int: ...

    def keeping(self, model: Any, memories: Sequence[Memory | None]) -> AbstractContextManager[None]:
        """Return a context in which a forward of `model` leaves in each row's memory what it computes of the row."""
        ...

    def taking(self, model: Any, memories: Sequence[Memory]) -> AbstractContextManager[None]:
        """Return a context in which a forward of `model` takes that from each row's memory instead of computing it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """What one adapter does to one row of a forward.

    prepared: what the adapter has made of the request's pictures, once; it is data of the request and changes no more.
    strength: above 0; who acts with none is left out. bond: rows with an act of an equal bond share one forward, all
    of them or none, for the adapter couples them; None for rows that may go their own ways.
    """

    adapter: RowAdapter
    prepared: Any
    strength: float = 1.0
    bond: Hashable | None = None


class RowAdapter(Protocol):
    """What leads single rows of a forward beside time and text (ControlNet, IP-Adapter); adapters/ has them.

    Hashable by identity. One serves all requests and keeps nothing of any. Acts are data of rows and never of the key,
    so that rows with and without, and with other strengths, share a forward.
    """

    def acting(
        self, model: Any, rows: Rows, acts: Sequence[Act | None]
    ) -> AbstractContextManager[Mapping[str, Tensor]]:
        """Return a context in which a forward of `model` over `rows` is led: row i by acts[i], untouched by None.

        It gives what the denoiser is told besides, by diffusers' names and with rows first, (n, ...): numbers that are
        added to its own and so zeros for rows without an act. "name.0", "name.1" stand for a list.
        """
        ...


Remembered = tuple[tuple[Shortcut, Memory], ...]  # a row's memories, each of one shortcut
Networks = tuple[tuple[Any, float], ...]  # loaded networks and their strengths, in the order in which they are applied


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: `step` of `steps` pairs of sigmas are done; `preview` is a rough look where one was asked."""

    step: int
    steps: int
    preview: Image | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one forward, every tensor with the rows first.

    x: (n, channels, height, width), the noisy latents in the path's own scale, float32.
    sigma: (n,), the noise level of each row, float64.
    context: (n, tokens, width), the text that leads each row.
    extra: further row data by name, each (n, ...), as texts and adapters contribute it.
    networks: what each row wears, n of them; empty where none wears any. left: evaluations that each row has still to
    come with this one, n of them; empty where that is not told.
    keeps: in which memories each row leaves something; takes: from which it takes, all rows by the same shortcuts; n
    of them each, or empty where no row does.
    acts: what leads each row besides, n of them, or empty where nothing does. told: what acts tell the denoiser of all
    rows, by its own names; the engine fills it in just before the forward.
    """

    x: Tensor
    sigma: Tensor
    context: Tensor
    extra: Mapping[str, Tensor] = field(default_factory=dict[str, Any])
    networks: tuple[Networks, ...] = ()
    left: tuple[int, ...] = ()
    keeps: tuple[Remembered, ...] = ()
    takes: tuple[Remembered, ...] = ()
    acts: tuple[tuple[Act, ...], ...] = ()
    told: Mapping[str, Tensor] = field(default_factory=dict[str, Any])

    def __len__(self) -> int:
        return int(self.x.shape[0])


@dataclass(frozen=True, slots=True)
class Text:
    """Words to encode, without anything that changes from step to step, and how they are read.

    away: whether they are what to lead away from. networks: what the text encoders wear for it.
    """

    text: str
    words: Words = AS_USUAL
    away: bool = False
    networks: Networks = ()


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """Something from files; sent back: the loaded model or whatever was wanted."""

    wanted: Wanted

    @property
    def kind(self) -> Hashable:
        return ("load", self.wanted)

    @property
    def key(self) -> tuple[Hashable, Hashable]:
        return (self.kind, None)

    @property
    def rows(self) -> int:
        return 1


@dataclass(frozen=True, slots=True, eq=False)
class Encode:
    """Texts to conditioning; sent back: one Conditioning a text, in order."""

    model: Any
    texts: tuple[Text, ...]
    alone: bool = False

    @property
    def kind(self) -> Hashable:
        return ("encode", self.model.key("encode"))

    @property
    def key(self) -> tuple[Hashable, Hashable]:
        return (self.kind, id(self) if self.alone else None)

    @property
    def rows(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True, eq=False)
class EncodeImages:
    """Pixels (n, 3, height, width) in 0..1 to latents; sent back: (n, channels, height / 8, width / 8), all float32."""

    model: Any
    pixels: Tensor
    alone: bool = False
    worn: tuple[Worn, ...] = ()

    @property
    def kind(self) -> Hashable:
        return ("encode images", self.model.key("encode_images"), tuple(self.pixels.shape[1:]), self.worn)

    @property
    def key(self) -> tuple[Hashable, Hashable]:
        return (self.kind, id(self) if self.alone else None)

    @property
    def rows(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class Evaluate:
    """One call for `denoised`; sent back: (n, channels, height, width) float32, a row for each of `batch`."""

    model: Any
    batch: Rows
    progress: Progress | None = None
    alone: bool = False
    worn: tuple[Worn, ...] = ()

    @property
    def kind(self) -> Hashable:
        batch = self.batch
        extra = tuple(sorted((name, tuple(value.shape[1:])) for name, value in batch.extra.items()))
        shape = (tuple(batch.x.shape[1:]), tuple(batch.context.shape[1:]), extra)
        takes = tuple(shortcut for shortcut, _ in batch.takes[0]) if batch.takes else ()
        return ("evaluate", self.model.key("predict"), shape, self.worn, takes)

    @property
    def key(self) -> tuple[Hashable, Hashable]:
        return (self.kind, id(self) if self.alone else None)

    @property
    def rows(self) -> int:
        return len(self.batch)


@dataclass(frozen=True, slots=True, eq=False)
class Decode:
    """Latents to pixels; sent back: (n, 3, height * 8, width * 8) float32 in 0..1.

    tile: side in pixels of the tiles in which to work, 0 for the whole at once.
    """

    model: Any
    latents: Tensor
    alone: bool = False
    worn: tuple[Worn, ...] = ()
    tile: int = 0

    @property
    def kind(self) -> Hashable:
        return ("decode", self.model.key("decode"), tuple(self.latents.shape[1:]), self.worn, self.tile)

    @property
    def key(self) -> tuple[Hashable, Hashable]:
        return (self.kind, id(self) if self.alone else None)

    @property
    def rows(self) -> int:
        return int(self.latents.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class Finish:
    """Work that no model's verb does (metadata, hints, post-processing); sent back: what `call` returns.

    progress: where the run stands meanwhile, for work that comes in many parts.
    """

    call: Callable[[], Any]
    progress: Progress | None = None

    @property
    def kind(self) -> Hashable:
        return ("finish",)

    @property
    def key(self) -> tuple[Hashable, Hashable]:
        return (self.kind, id(self))

    @property
    def rows(self) -> int:
        return 1


Work = Load | Encode | EncodeImages | Evaluate | Decode | Finish
