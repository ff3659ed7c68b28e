"""What is this file? Reads names and headers only, never torch; runs nothing that a file brings along.

Diffusers folders are known by their configs, single files by the names and shapes of their tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easel.core.errors import Unrecognised
from easel.models.files.jsonfiles import read_json
from easel.models.files.listing import Listing
from easel.models.files.opening import listing_of
from easel.models.layouts.folders import ALONE, PARTS, alone, class_of, files_of
from easel.models.layouts.makeup import FLOW, READ_BY, SPOKEN, VAE_READ_BY, WIDTHS, family_of, roles_of, variant_of
from easel.models.layouts.single import SUPPORTED, Contents, formats
from easel.models.layouts.telltales import TELLTALES, Telltale, made_for, telltale
from easel.models.library.kinds import KIND_OF_FOLDER

ONNX = ".onnx"
PREPROCESSORS = ("ForDepthEstimation", "ForSemanticSegmentation", "ForUniversalSegmentation")  # transformers' classes


@dataclass(frozen=True, slots=True)
class Identity:
    """What a model's files say about it.

    family: key into families; of a part alone the likeliest of those that read it, all of which are in `fits`; "" where
    nothing tells. variant: "1.x", "2.x", "base", "refiner", "3", "3.5 medium", "3.5 large", "dev", "schnell"; of an
    autoencoder or text encoder alone which it is. prediction: diffusers' prediction_type, or "flow"; known_by: how that
    is known. zero_snr: whether the noise schedule ends in nothing but noise. size: bytes on disk. layout: "folder"
    (diffusers') or "file". inpaints: whether it is an inpainting checkpoint. dtype: number formats in the file.
    missing: parts that it goes without, in words. unused: how many tensors no part reads, by what they are.
    kind: "checkpoint", "denoiser", "vae", "text_encoder", or what is no model: "lora", "embedding", "upscaler",
    "controlnet", "t2i_adapter", "ip_adapter", "motion_module", "clip_vision", "preprocessor", "background", "detector".
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
    kind: str = "checkpoint"
    zero_snr: bool = False
    fits: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What it is in words, such as "sd 1.x inpainting" or "vae, 4 channels"."""
        said = " ".join(word for word in (self.family, self.variant, "inpainting" if self.inpaints else "") if word)
        if self.kind == "checkpoint":
            return said
        if self.kind == "denoiser":
            return f"{'transformer' if self.family in FLOW else 'U-Net'} alone, {said}"
        if self.kind in ("vae", "text_encoder"):
            return f"{self.kind.replace('_', ' ')}, {self.variant}"
        kind = next((told.words.partition(" ")[2] for told in TELLTALES if told.kind == self.kind), self.kind)
        return f"{kind}, {said}" if said else kind


def is_model(path: Path) -> bool:
    """Return whether `path` looks like a diffusers folder of a whole model."""
    return (path / "model_index.json").is_file()


def identify(path: Path, name: str | None = None) -> Identity:
    """Return the identity of what is at `path`, a folder or a file. Raises ModelError naming the file."""
    if path.is_file():
        return identify_file(path, name)
    if published := published_as(path):
        return identify_published(path, name, published)
    return identify_part(path, name) if alone(path) else identify_folder(path, name)


def identify_file(file: Path, name: str | None = None) -> Identity:
    """Return the identity of a single file; one without all its parts has an identity too."""
    if file.suffix.casefold() == ONNX:
        return identify_program(file, name)
    listing = listing_of(file)
    told = telltale(listing)
    if told and told.kind:
        return identify_other(listing, told, name)
    contents = Contents(listing)
    prediction, known_by = contents.prediction
    return Identity(
        name=name or file.stem,
        path=file,
        family=contents.family,
        variant=contents.variant or described(contents),
        prediction=prediction,
        size=file.stat().st_size,
        layout="file",
        inpaints=contents.inpaints,
        known_by=known_by,
        dtype=contents.dtype,
        missing=contents.missing,
        unused=tuple((what or "not known", len(keys)) for what, keys in contents.unused.items()),
        kind=kind_of(contents),
        zero_snr=contents.zero_snr,
        fits=contents.read_by,
    )


def published_as(folder: Path) -> str:
    """Return the class of a preprocessor's network in a transformers folder, "" where it is something else."""
    config = folder / "config.json"
    kind = class_of(read_json(config)) if config.is_file() and not is_model(folder) else ""
    return kind if kind.endswith(PREPROCESSORS) else ""


def identify_published(folder: Path, name: str | None, kind: str) -> Identity:
    """Return the identity of a preprocessor's network in a transformers folder."""
    size = sum(file.stat().st_size for file in files_of(folder))
    return Identity(name or folder.name, folder, "", kind, "", size, known_by="", kind="preprocessor")


def identify_program(file: Path, name: str | None) -> Identity:
    """Return the identity of an ONNX file, which is a network with its arithmetic; what it is for, its folder says."""
    folders = (folder.name.casefold() for folder in file.absolute().parents)
    kind = next((KIND_OF_FOLDER[folder] for folder in folders if folder in KIND_OF_FOLDER), "preprocessor")
    size = file.stat().st_size
    return Identity(name or file.stem, file, "", "ONNX", "", size, layout="file", known_by="", kind=kind)


def kind_of(contents: Contents) -> str:
    """Return what a single file is: a denoiser with or without anything else, an autoencoder or a text encoder."""
    if contents.own:
        return "checkpoint" if len(contents.located) > 1 else "denoiser"
    return "vae" if "vae" in contents.located else "text_encoder"


def described(contents: Contents) -> str:
    """Return which autoencoder or text encoder a file without a denoiser is."""
    if "vae" not in contents.located:
        return ", ".join(SPOKEN[of].removeprefix("text encoder ") for of in contents.located)
    config = contents.shape_config["vae"]
    return vae_words(str(config["_class_name"]), int(config.get("latent_channels", 4)))


def vae_words(kind: str, channels: int) -> str:
    """Return an autoencoder's variant in words."""
    return f"{channels} channels{', tiny' if kind == 'AutoencoderTiny' else ''}"


def identify_other(listing: Listing, told: Telltale, name: str | None) -> Identity:
    """Return the identity of a file that is no model: what it is, and for which family where that can be told."""
    family, variant = made_for(told, listing)
    return Identity(
        name=name or listing.path.stem,
        path=listing.path,
        family=family,
        variant=variant,
        prediction="",
        size=listing.path.stat().st_size,
        layout="file",
        known_by="",
        dtype=formats(listing.tensors.values()),
        kind=told.kind,
        fits=(family,) if family else (),
    )


def identify_folder(path: Path, name: str | None = None) -> Identity:
    """Return the identity of a diffusers folder. Raises ModelError naming the file."""
    if not is_model(path):
        raise Unrecognised(f"{path}: no model_index.json here; allowed are a diffusers folder and a single file.")
    index = read_json(path / "model_index.json")
    denoiser = next((part for part in ("unet", "transformer") if (path / part / "config.json").is_file()), "unet")
    config = read_json(path / denoiser / "config.json")
    scheduler = read_json(path / "scheduler" / "scheduler_config.json")
    family = family_of(class_of(config), config)
    if not family:
        raise Unrecognised(f"{path}: pipeline {index.get('_class_name', 'unknown')!r} is not read; {SUPPORTED}.")
    check_channels(path, family, config)
    variant = variant_of(family, config)
    wanted = {part for part, role in roles_of(family, variant).items() if role.needed}
    there = [part for part in PARTS if part in wanted or (path / part / "config.json").is_file()]
    files = [listing_of(file) for part in there for file in files_of(path / part)]
    return Identity(
        name=name or path.name,
        path=path,
        family=family,
        variant=variant,
        prediction="flow" if family in FLOW else str(scheduler.get("prediction_type", "epsilon")),
        size=size_of(path),
        inpaints=config.get("in_channels") == 9,
        dtype=formats(tensor for listing in files for tensor in listing.tensors.values()),
        zero_snr=bool(scheduler.get("rescale_betas_zero_snr")),
        fits=(family,),
    )


def check_channels(path: Path, family: str, config: dict[str, Any]) -> None:
    """Raise Unrecognised for a denoiser that reads something else beside the latent, or another latent."""
    allowed = {"sd3": (16,), "flux": (64,)}.get(family, (4, 9))
    if config.get("in_channels") not in allowed:
        part = "U-Net" if family in ("sd", "sdxl") else "transformer"
        also = "4 and, for inpainting, 9" if 4 in allowed else str(allowed[0])
        raise Unrecognised(
            f"{path}: a {part} of {config.get('in_channels')} input channels is not read; supported are {also}."
        )


def identify_part(path: Path, name: str | None = None) -> Identity:
    """Return the identity of a part that stands in a folder of its own. Raises ModelError naming the file."""
    config = read_json(path / "config.json")
    kind = class_of(config)
    files = [listing_of(file) for file in files_of(path)]
    part, variant, fits = ALONE[kind], "", ()
    if part in ("unet", "transformer"):
        family = family_of(kind, config)
        if not family:
            raise Unrecognised(f"{path}: a {kind} that is of no family that is read; {SUPPORTED}.")
        check_channels(path, family, config)
        variant, fits = variant_of(family, config), (family,)
    elif part == "vae":
        channels = int(config.get("latent_channels", 4))
        if channels not in VAE_READ_BY:
            raise Unrecognised(f"{path}: an autoencoder of {channels} latent channels; supported are 4 and 16.")
        variant, fits = vae_words(kind, channels), VAE_READ_BY[channels]
    else:
        of = "t5" if kind.startswith("T5") else WIDTHS.get(config.get("hidden_size", 0), "clip_l")
        variant, fits = SPOKEN[of].removeprefix("text encoder "), READ_BY[of]
    return Identity(
        name=name or path.name,
        path=path,
        family=fits[0],
        variant=variant,
        prediction="",
        size=size_of(path),
        known_by="",
        inpaints=config.get("in_channels") == 9,
        dtype=formats(tensor for listing in files for tensor in listing.tensors.values()),
        kind="denoiser" if part in ("unet", "transformer") else part,
        fits=fits,
    )


def size_of(path: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
