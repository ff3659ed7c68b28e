"""How each family is published in one file: where its parts stand, and a model's parts under those names.

For what comes in diffusers' layout, whose tensors are renamed and joined here as they are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from easel.core.errors import Incomplete, Mismatch
from easel.models.files.writing import Planned, word_of
from easel.models.layouts.identify import Identity
from easel.models.layouts.names_text import projects
from easel.models.layouts.naming import Place, published
from easel.models.layouts.pieces import plain, put_together
from easel.models.layouts.single import contents_of
from easel.models.layouts.sources import Source, source_of
from easel.models.layouts.tables import CLIP, FLUX, LDM_UNET, LDM_VAE, OPEN_CLIP, OPEN_CLIP_H, SD3, T5, Layout
from easel.models.rewriting.stock import Entry, FileStock, Stock, parts_of

Stands = dict[str, tuple[str, Layout]]  # by diffusers' folder name: how names begin, and the layout behind it

LDM: Stands = {"unet": ("model.diffusion_model.", LDM_UNET), "vae": ("first_stage_model.", LDM_VAE)}
CLIP_G: Stands = {"text_encoder_2": ("conditioner.embedders.1.model.", OPEN_CLIP)}
ENCODERS = "text_encoders."
PUBLISHED: dict[tuple[str, str], Stands] = {  # by family and variant, "" for any
    ("sd", "1.x"): {**LDM, "text_encoder": ("cond_stage_model.transformer.", CLIP)},
    ("sd", "2.x"): {**LDM, "text_encoder": ("cond_stage_model.model.", OPEN_CLIP_H)},
    ("sdxl", "base"): {**LDM, "text_encoder": ("conditioner.embedders.0.transformer.", CLIP), **CLIP_G},
    ("sdxl", "refiner"): {**LDM, "text_encoder_2": ("conditioner.embedders.0.model.", OPEN_CLIP)},
    ("sd3", ""): {
        "transformer": ("model.diffusion_model.", SD3),
        "vae": ("first_stage_model.", LDM_VAE),
        "text_encoder": (f"{ENCODERS}clip_l.transformer.", CLIP),
        "text_encoder_2": (f"{ENCODERS}clip_g.transformer.", CLIP),
        "text_encoder_3": (f"{ENCODERS}t5xxl.transformer.", T5),
    },
    ("flux", ""): {
        "transformer": ("model.diffusion_model.", FLUX),
        "vae": ("vae.", LDM_VAE),
        "text_encoder": (f"{ENCODERS}clip_l.transformer.", CLIP),
        "text_encoder_2": (f"{ENCODERS}t5xxl.transformer.", T5),
    },
}


def stands_of(family: str, variant: str) -> Stands:
    """Return where the parts of a family and variant are published."""
    return PUBLISHED.get((family, variant)) or PUBLISHED[(family, "")]


class ModuleStock(Stock):
    """A model that is kept as diffusers' and transformers' modules have it, under the published names.

    stands: where the parts are published; those that it does not name stay away.
    """

    def __init__(self, identity: Identity, source: Source, stands: Stands) -> None:
        super().__init__(identity, source)
        self.stands = stands

    @cached_property
    def tensors(self) -> dict[str, Mapping[str, Any]]:
        """The modules' tensors by part, as files map them: read as they are touched."""
        return {part: bare(self.source, part) for part in parts_of(self.source) if part in self.stands}

    @cached_property
    def places(self) -> dict[str, tuple[str, Place]]:
        """The part and the place of each published name. Raises Incomplete for a module's tensor that has none."""
        found: dict[str, tuple[str, Place]] = {}
        for part, tensors in self.tensors.items():
            prefix, layout = self.stands[part]
            places = published(layout.names(self.source.config(part)), tensors)
            found |= {prefix + name: (part, place) for name, place in places.items()}
            named = {module for place in places.values() for module in place.names}
            if strangers := sorted(tensors.keys() - named):
                raise Incomplete(f"{self.source.where(part)}: {strangers[0]!r} has no name in a single file.")
        return found

    def listed(self) -> dict[str, Entry]:
        """Return the tensors, without those that no module reads."""
        found: dict[str, Entry] = {}
        for name, (part, place) in self.places.items():
            shadows = {module: shadow(self.tensors[part][module]) for module in place.names}
            whole = put_together(place, shadows)
            found[name] = Entry(Planned(word_of(whole), tuple(whole.shape)), part, place.names)
        return found

    def read(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return tensors by name."""
        found: dict[str, Tensor] = {}
        for name in names:
            part, place = self.places[name]
            found[name] = put_together(place, {module: plain(self.tensors[part][module]) for module in place.names})
        return found


def bare(source: Source, part: str) -> Mapping[str, Any]:
    """Return a part's tensors, those of a CLIP that does not project without its wrapper's name."""
    tensors = source.tensors(part)
    if not part.startswith("text") or projects(source.config(part)):
        return tensors
    return {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}


def shadow(weight: Any) -> Tensor:
    """Return a tensor of a weight's shape and format without its numbers; float16 for one that is kept in few bits."""
    dtype = weight.dtype if isinstance(weight, Tensor) else torch.float16
    return torch.empty(tuple(weight.shape), dtype=dtype, device="meta")


def stock_of(identity: Identity) -> Stock:
    """Return a checkpoint's tensors under the names of a published file. Raises Mismatch for what is no checkpoint."""
    if identity.kind not in ("checkpoint", "denoiser"):
        raise Mismatch(f"{identity.path}: is a {identity.words}; needed is a checkpoint.")
    source = source_of(identity)
    stands = stands_of(identity.family, identity.variant)
    if identity.layout == "file" and is_published(identity.path, stands):
        return FileStock(identity, source)
    return ModuleStock(identity, source, stands)


def vae_of(identity: Identity, family: str, variant: str) -> Stock:
    """Return the autoencoder of a checkpoint, or one that stands alone, as a family's file has it. Raises Mismatch."""
    if family not in (identity.fits or (identity.family,)):
        raise Mismatch(f"{identity.path}: is a {identity.words}; needed is an autoencoder (VAE) for {family}.")
    source = source_of(identity).seen_by(family, variant)
    if not source.has("vae"):
        raise Incomplete(f"{identity.path}: has no autoencoder (VAE) to take.")
    return ModuleStock(identity, source, {"vae": stands_of(family, variant)["vae"]})


def is_published(file: Path, stands: Stands) -> bool:
    """Return whether a single file's parts stand in it as their family publishes them."""
    parts = contents_of(file).parts
    return all(
        part in stands and stands[part] == (taken.stand.prefix, taken.stand.layout) for part, taken in parts.items()
    )
