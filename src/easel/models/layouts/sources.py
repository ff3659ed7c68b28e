"""Where the parts of a model come from: a diffusers folder or a single file, under the names that the modules have.

A source gives configs, tensors and readers of words; who builds the modules need not know which of the two it is. Parts
from other files are lent to it by models/layouts/lending.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from easel.core.errors import Mismatch
from easel.models.files.jsonfiles import read_json
from easel.models.layouts.folders import ALONE, class_of, files_of
from easel.models.layouts.folders import PARTS as PARTS
from easel.models.layouts.identify import Identity
from easel.models.layouts.makeup import VAE_READ_BY, WIDTHS, family_of, roles_of
from easel.models.layouts.names_text import PROJECTION, WORDS
from easel.models.layouts.names_vae import diffusers_vae_names
from easel.models.layouts.naming import Place, placed
from easel.models.layouts.pieces import taken_apart
from easel.models.layouts.single import Part, contents_of, once
from easel.models.words.tokens import Reader, bundled_reader, folder_reader

if TYPE_CHECKING:
    from torch import Tensor

    from easel.models.files.packed import Packed


class Source(Protocol):
    """One model's files. part: one of PARTS. Everything raises ModelError naming the file."""

    @property
    def family(self) -> str:
        """The family that reads it."""
        ...

    @property
    def variant(self) -> str:
        """The variant of its denoiser, "" without one."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """The weights files, in the order in which they are hashed."""
        ...

    @property
    def schedule(self) -> Mapping[str, Any]:
        """The noise schedule, in diffusers' words."""
        ...

    @property
    def habits(self) -> tuple[Path, Mapping[str, Any]]:
        """The file of the model's own habits, and what it says."""
        ...

    def config(self, part: str) -> Mapping[str, Any]:
        """Return a part's config, diffusers' or transformers'."""
        ...

    def where(self, part: str) -> Path:
        """Return the file or folder of a part, for messages."""
        ...

    def tensors(self, part: str) -> dict[str, Tensor | Packed]:
        """Return a part's tensors by the module's names."""
        ...

    def names(self, part: str) -> Mapping[str, str]:
        """Return what the file calls a part's tensors, by the module's names, where it differs."""
        ...

    def has(self, part: str) -> bool:
        """Return whether a part is there."""
        ...

    def reader(self, part: str = "text_encoder", room: int | None = None) -> Reader:
        """Return the reader of words of a text encoder; `room`: tokens of a chunk beside its marks."""
        ...

    def seen_by(self, family: str, variant: str = "") -> Source:
        """Return the same files as another family reads them, with the parts that it can read."""
        ...


class Folder:
    """A diffusers folder, of a whole model or of one part alone.

    places: the folder of each part; those that the family's parts are called by where there are none.
    """

    def __init__(self, path: Path, family: str, variant: str = "", places: Mapping[str, Path] | None = None) -> None:
        self.path = path
        self.family = family
        self.variant = variant
        there = {part: path / part for part in PARTS if (path / part / "config.json").is_file()}
        self.places = there if places is None else places

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(file for part in PARTS if self.has(part) for file in files_of(self.places[part]))

    @property
    def schedule(self) -> Mapping[str, Any]:
        return read_json(self.path / "scheduler" / "scheduler_config.json")

    @property
    def habits(self) -> tuple[Path, Mapping[str, Any]]:
        file = self.path / "easel.json"
        return file, read_json(file) if file.is_file() else {}

    def config(self, part: str) -> Mapping[str, Any]:
        return read_json(self.folder(part) / "config.json")

    def folder(self, part: str) -> Path:
        """Return the folder of a part, or where it would be."""
        return self.places.get(part, self.path / part)

    def where(self, part: str) -> Path:
        files = files_of(self.folder(part))
        return files[0] if len(files) == 1 else self.folder(part)

    def tensors(self, part: str) -> dict[str, Tensor | Packed]:
        from easel.models.files.weights import read_tensors

        return present(part, read_tensors(files_of(self.folder(part))))

    def names(self, part: str) -> Mapping[str, str]:
        return {}

    def has(self, part: str) -> bool:
        return part in self.places

    def reader(self, part: str = "text_encoder", room: int | None = None) -> Reader:
        folder = self.folder(part)
        if folder.name.startswith("text_encoder") and folder != self.path:
            return folder_reader(folder.parent, folder.name, room)
        return bundled_reader(room, pads_with_end=part_of_folder(folder) == "clip_l")

    def seen_by(self, family: str, variant: str = "") -> Source:
        standing = {part_of_folder(folder, family): folder for folder in (*self.places.values(), self.path)}
        roles = roles_of(family, variant)
        places = {part: standing[of] for part, role in roles.items() for of in role.of if of in standing}
        return Folder(self.path, family, variant, places)


def part_of_folder(folder: Path, family: str = "") -> str:
    """Return what a part's folder holds: "unet", "transformer", "vae", "clip_l" ...; "" for no part.

    family: who is to read it; what that cannot read is no part.
    """
    if not (folder / "config.json").is_file():
        return ""
    config = read_json(folder / "config.json")
    kind = class_of(config)
    if kind.startswith("Autoencoder"):
        return "vae" if not family or family in VAE_READ_BY.get(config.get("latent_channels", 4), ()) else ""
    if kind.startswith("T5"):
        return "t5"
    if kind.startswith("CLIPText"):
        return WIDTHS.get(config.get("hidden_size", 0), "clip_l")
    denoiser = ALONE.get(kind, "")
    return denoiser if not family or family_of(kind, config) == family else ""


class SingleFile:
    """A single file, by the tables of its layouts."""

    def __init__(self, path: Path, family: str = "", variant: str = "") -> None:
        self.contents = contents_of(path, family, variant)

    @property
    def family(self) -> str:
        return self.contents.family

    @property
    def variant(self) -> str:
        return self.contents.variant

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.contents.path,)

    @property
    def schedule(self) -> Mapping[str, Any]:
        return self.contents.schedule

    @property
    def habits(self) -> tuple[Path, Mapping[str, Any]]:
        return self.contents.sidecar.path, self.contents.sidecar.habits

    def config(self, part: str) -> Mapping[str, Any]:
        return self.contents.part(part).config

    def where(self, part: str) -> Path:
        return self.contents.path

    def tensors(self, part: str) -> dict[str, Tensor | Packed]:
        from easel.models.files.weights import read_tensors

        taken, path = self.contents.part(part), self.contents.path
        if strangers := self.contents.strangers(taken):
            raise Mismatch(f"{path}: {len(strangers)} tensors have no place in the {part}, first {strangers[0]!r}.")
        tensors: dict[str, Tensor | Packed] = {}
        for key, tensor in read_tensors((path,), taken.places).items():
            for name, piece in pieces_of(path, key, taken.places[key], tensor):
                if name in tensors:
                    raise Mismatch(f"{path}: {key!r} stands there twice, under two names.")
                tensors[name] = piece
        return tensors | made(taken)

    def names(self, part: str) -> Mapping[str, str]:
        return {name: key for key, place in self.contents.part(part).places.items() for name in place.names}

    def has(self, part: str) -> bool:
        return part in self.contents.parts

    def reader(self, part: str = "text_encoder", room: int | None = None) -> Reader:
        return bundled_reader(room, pads_with_end=self.contents.part(part).of == "clip_l")

    def seen_by(self, family: str, variant: str = "") -> Source:
        return SingleFile(self.contents.path, family, variant)


def source_of(identity: Identity) -> Source:
    """Return where the parts of a model come from. Raises Unrecognised for a file that is no model and no part."""
    if identity.layout == "file":
        return SingleFile(identity.path)
    whole = Folder(identity.path, identity.family, identity.variant)
    return whole.seen_by(identity.family, identity.variant) if identity.kind != "checkpoint" else whole


def pieces_of(path: Path, key: str, place: Place, tensor: Any) -> Iterator[tuple[str, Any]]:
    """Yield the module's names and tensors for one of the file's. Raises Mismatch naming file and tensor."""
    try:
        yield from taken_apart(place, tensor)
    except Mismatch as error:
        raise Mismatch(f"{path}: {key!r} {error}.") from None


def made(part: Part) -> dict[str, Any]:
    """Return tensors that no file has: the projection of a text encoder whose family does not project."""
    if not part.role.unprojected:
        return {}
    import torch

    return {PROJECTION: torch.eye(part.config["projection_dim"], part.config["hidden_size"])}


COMPUTED = ("embeddings.position_ids",)  # in text encoders


def present(part: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a folder's tensors as the modules have them now: positions left out, old names of attention changed."""
    names = {"vae": diffusers_vae_names({}), "text_encoder": {word: Place(WORDS, "shared") for word in WORDS}}
    tables = names.get(part.rstrip("_23"), {})
    places = {key: placed(key, tables) or Place((key,)) for key in found if not key.endswith(COMPUTED)}
    return {name: piece for key, place in once(places).items() for name, piece in taken_apart(place, found[key])}
