"""What is this model? Reads names and headers only, never torch; runs nothing that a file brings along.

Diffusers folders are known by their model_index.json, single files by the names of their tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from easel.core.errors import Incomplete, Unrecognised
from easel.models.jsonfiles import read_json
from easel.models.opening import listing_of
from easel.models.single import contents_of

SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")  # of single files, the preferred first
STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")  # of a component's weights in a folder


@dataclass(frozen=True, slots=True)
class Identity:
    """What a model's files say about it.

    family: key into families. variant: "1.x" or "2.x". prediction: diffusers' prediction_type; known_by: how that is
    known. size: bytes on disk. layout: "folder" (diffusers') or "file". inpaints: whether it is an inpainting
    checkpoint. dtype: number formats in the file. missing: parts that it goes without, in words. unused: how many
    tensors no part reads, by what they are.
    """

    name: str
    path: Path
    family: str
    variant: str
    prediction: str
    size: int
    layout: str = "folder"
    inpaints: bool = False
    known_by: str = "told by the scheduler's config"
    dtype: str = ""
    missing: tuple[str, ...] = ()
    unused: tuple[tuple[str, int], ...] = ()

    @property
    def kind(self) -> str:
        """Family and variant in words, such as "sd 1.x inpainting"."""
        return f"{self.family} {self.variant}{' inpainting' if self.inpaints else ''}"


def is_model(path: Path) -> bool:
    """Return whether `path` looks like a diffusers folder that identify() would read."""
    return (path / "model_index.json").is_file()


def identify(path: Path, name: str | None = None) -> Identity:
    """Return the identity of the model at `path`, a folder or a file. Raises ModelError naming the file."""
    return identify_file(path, name) if path.is_file() else identify_folder(path, name)


def identify_file(file: Path, name: str | None = None) -> Identity:
    """Return the identity of a single file; one without all its parts has an identity too."""
    contents = contents_of(file)
    prediction, known_by = contents.prediction
    return Identity(
        name=name or file.stem,
        path=file,
        family="sd",
        variant=contents.variant,
        prediction=prediction,
        size=file.stat().st_size,
        layout="file",
        inpaints=contents.channels == 9,
        known_by=known_by,
        dtype=contents.dtype,
        missing=contents.missing,
        unused=tuple((what or "not known", len(keys)) for what, keys in contents.unused.items()),
    )


def identify_folder(path: Path, name: str | None = None) -> Identity:
    """Return the identity of a diffusers folder. Raises ModelError naming the file."""
    if not is_model(path):
        raise Unrecognised(f"{path}: no model_index.json here; allowed are a diffusers folder and a single file.")
    index = read_json(path / "model_index.json")
    unet = read_json(path / "unet" / "config.json")
    scheduler = read_json(path / "scheduler" / "scheduler_config.json")
    if unet.get("_class_name") != "UNet2DConditionModel" or unet.get("addition_embed_type") is not None:
        kind = index.get("_class_name", "unknown")
        raise Unrecognised(
            f"{path}: pipeline {kind!r} is not supported yet; supported are Stable Diffusion 1.x and 2.x."
        )
    if unet.get("in_channels") not in (4, 9):
        raise Unrecognised(
            f"{path}: a U-Net of {unet.get('in_channels')} input channels is not supported yet; supported are 4 and, "
            "for inpainting, 9."
        )
    for part in ("unet", "vae", "text_encoder"):
        for file in files_of(path / part):
            listing_of(file)
    return Identity(
        name=name or path.name,
        path=path,
        family="sd",
        variant="2.x" if unet.get("use_linear_projection") else "1.x",
        prediction=str(scheduler.get("prediction_type", "epsilon")),
        size=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        inpaints=unet.get("in_channels") == 9,
    )


def files_of(folder: Path) -> tuple[Path, ...]:
    """Return the weights files of a component's folder, shards in the order of its index; safetensors before pickles.

    Raises Incomplete where files are missing.
    """
    for ending in ("safetensors", "bin"):
        for stem in STEMS:
            index = folder / f"{stem}.{ending}.index.json"
            if index.is_file():
                return shards_of(folder, index)
            for single in (folder / f"{stem}.{ending}", folder / f"{stem}.fp16.{ending}"):
                if single.is_file():
                    return (single,)
    raise Incomplete(f"{folder}: no weights here (model.safetensors or .bin); fetch the whole folder again.")


def shards_of(folder: Path, index: Path) -> tuple[Path, ...]:
    """Return the files that an index names, each in the folder itself. Raises Incomplete."""
    named = read_json(index).get("weight_map", {})
    names = sorted({str(name) for name in named.values()}) if isinstance(named, dict) else []
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing or not names:
        raise Incomplete(f"{folder}: shard {missing[0] if missing else '?'} is missing; fetch it again.")
    return tuple(folder / name for name in names)
