"""Where the parts of a model come from: a diffusers folder or a single file, under the names that the modules have.

A source gives configs, tensors and a reader of words; who builds the modules need not know which of the two it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from easel.core.errors import Mismatch
from easel.models import ldm
from easel.models.identify import Identity, files_of
from easel.models.jsonfiles import read_json
from easel.models.single import contents_of
from easel.models.tokens import Reader, bundled_reader, folder_reader

if TYPE_CHECKING:
    from torch import Tensor


class Source(Protocol):
    """One model's files. part: "unet", "vae" or "text_encoder". Everything raises ModelError naming the file."""

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

    def tensors(self, part: str) -> dict[str, Tensor]:
        """Return a part's tensors by the module's names."""
        ...

    def names(self, part: str) -> Mapping[str, str]:
        """Return what the file calls a part's tensors, by the module's names, where it differs."""
        ...

    def reader(self, room: int | None = None) -> Reader:
        """Return the reader of words; `room`: tokens of a chunk beside its marks."""
        ...


class Folder:
    """A diffusers folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(file for part in ("text_encoder", "unet", "vae") for file in files_of(self.path / part))

    @property
    def schedule(self) -> Mapping[str, Any]:
        return read_json(self.path / "scheduler" / "scheduler_config.json")

    @property
    def habits(self) -> tuple[Path, Mapping[str, Any]]:
        file = self.path / "easel.json"
        return file, read_json(file) if file.is_file() else {}

    def config(self, part: str) -> Mapping[str, Any]:
        return read_json(self.path / part / "config.json")

    def where(self, part: str) -> Path:
        files = files_of(self.path / part)
        return files[0] if len(files) == 1 else self.path / part

    def tensors(self, part: str) -> dict[str, Tensor]:
        from easel.models.weights import read_tensors

        found = read_tensors(files_of(self.path / part))
        return {new: tensor for key, tensor in found.items() if (new := present_name(part, key)) is not None}

    def names(self, part: str) -> Mapping[str, str]:
        return {}

    def reader(self, room: int | None = None) -> Reader:
        return folder_reader(self.path, room)


class SingleFile:
    """A single file as latent-diffusion lays it out."""

    def __init__(self, path: Path) -> None:
        self.contents = contents_of(path)

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

    def tensors(self, part: str) -> dict[str, Tensor]:
        from easel.models.weights import read_tensors

        taken, path = self.contents.part(part), self.contents.path
        strangers = [key for key in self.contents.unused.get("", ()) if key.startswith(taken.layout.prefix)]
        if strangers:
            raise Mismatch(f"{path}: {len(strangers)} tensors have no place in the {part}, first {strangers[0]!r}.")
        tensors: dict[str, Tensor] = {}
        for key, tensor in read_tensors((path,), taken.names).items():
            for name, piece in placed(taken.names[key], tensor):
                if name in tensors:
                    raise Mismatch(f"{path}: {key!r} stands there twice, under two names.")
                tensors[name] = piece
        return tensors

    def names(self, part: str) -> Mapping[str, str]:
        taken = self.contents.part(part)
        return {name: key for key, new in taken.names.items() for name in placed_names(new)}

    def reader(self, room: int | None = None) -> Reader:
        second = self.contents.part("text_encoder").layout.prefix == ldm.OPEN_CLIP
        return bundled_reader(room, pads_with_end=not second)


def source_of(identity: Identity) -> Source:
    """Return where the parts of a model come from."""
    return {"folder": Folder, "file": SingleFile}[identity.layout](identity.path)


def placed_names(new: str) -> tuple[str, ...]:
    """Return the module's names for a tensor: three where the file keeps queries, keys and values in one."""
    stem, joined, kind = new.partition(".in_proj_")
    return tuple(f"{stem}.{letter}_proj.{kind}" for letter in "qkv") if joined else (new,)


def placed(new: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield the module's names and tensors for one of the file's.

    Queries, keys and values come apart; the autoencoder's attention loses the 1x1 of its convolutions.
    """
    names = placed_names(new)
    if len(names) > 1:
        yield from zip(names, tensor.tensor_split(len(names)), strict=True)
    elif ".mid_block.attentions." in new and ".to_" in new and tensor.ndim == 4 and tensor.shape[2:] == (1, 1):
        yield new, tensor[:, :, 0, 0]
    else:
        yield new, tensor


# Published autoencoders in folders call the parts of their one attention layer so; diffusers now calls them otherwise.
ATTENTION_NAMES = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}
COMPUTED = ("embeddings.position_ids", "text_projection.weight")  # in text encoders


def present_name(part: str, key: str) -> str | None:
    """Return the name in a folder's file as the module has it now; None for what the module does without."""
    if part == "text_encoder":
        key = key.removeprefix("text_model.")
        return None if key in COMPUTED else key
    if part == "vae":
        for published, present in ATTENTION_NAMES.items():
            key = key.replace(published, present)
    return key
