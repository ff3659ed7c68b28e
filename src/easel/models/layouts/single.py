"""What is in a single file: its parts, their configs and names, and what is missing or unused.

Works on names and shapes alone: no torch, and of tensors at most one of a few hundred numbers. Layouts and families are
tables; this file only asks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from easel.core.errors import Incomplete, Mismatch, ModelError, Unrecognised
from easel.models.files.listing import Listing, Stored
from easel.models.files.opening import listing_of
from easel.models.layouts.makeup import (
    ACTIVATIONS,
    READ_BY,
    SCHEDULES,
    SPOKEN,
    VAE_READ_BY,
    WORDS,
    Role,
    encoder_of,
    family_of,
    roles_of,
    variant_of,
)
from easel.models.layouts.naming import Place, placed
from easel.models.layouts.predicts import ends_in_noise, prediction_of
from easel.models.layouts.shapes import count
from easel.models.layouts.sidecar import read_sidecar
from easel.models.layouts.tables import EXTRAS, STANDS, Stand
from easel.models.layouts.telltales import telltale

FORMATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
FORMATS |= {"F8_E4M3": "float8 e4m3", "F8_E5M2": "float8 e5m2"}
CHANNELS = {5: "reads depth", 7: "is an upscaler", 8: "is InstructPix2Pix"}
FLUX_CHANNELS = {128: "is Flux Depth or Canny", 384: "is Flux Fill"}
SUPPORTED = "supported are Stable Diffusion 1.x, 2.x, XL, 3 and Flux.1, whole or in parts"


@dataclass(frozen=True)
class Part:
    """One part of a file: what it is, where it stands, its config and, for each name in the file, the module's."""

    of: str
    stand: Stand
    role: Role
    config: Mapping[str, Any]
    places: Mapping[str, Place]


class Contents:
    """A single file taken apart, as a family sees it. Raises Unrecognised where it is no model and no part of one.

    family, variant: of who is to read it; "" for those of the file's own denoiser, or of its part.
    """

    def __init__(self, listing: Listing, family: str = "", variant: str = "") -> None:
        self.listing = listing
        self.path = listing.path
        if other := telltale(listing):
            raise Unrecognised(f"{self.path}: this is {other.words}; {SUPPORTED}.")
        if not self.located:
            what = "no model that is known" if listing.tensors else "no tensors with names, as in a hypernetwork"
            raise Unrecognised(f"{self.path}: {what}; {SUPPORTED}.")
        self.sidecar = read_sidecar(listing.path)
        self.own = self.family_of_denoiser() if self.denoiser else ""
        self.variant = variant_of(self.own, self.shape_config[self.denoiser]) if self.own else ""
        self.family = family or self.own or self.read_by[0]
        self.roles: Mapping[str, Role] = roles_of(self.family, variant or self.variant)

    @cached_property
    def located(self) -> dict[str, Stand]:
        """Where each thing in the file stands, by what it is: "unet", "vae", "clip_l" ..."""
        found: dict[str, Stand] = {}
        for stand in STANDS:
            if any(stand.prefix + mark in self.listing.tensors for mark in stand.layout.marks):
                of = stand.of
                if of == "clip":
                    of = encoder_of({key: t.shape for key, t in self.listing.tensors.items()}, stand.layout.marks)
                if not (of in DENOISING and found.keys() & DENOISING):
                    found.setdefault(of, stand)
        return found

    @property
    def denoiser(self) -> str:
        """ "unet", "transformer" or ""."""
        return next((of for of in ("unet", "transformer") if of in self.located), "")

    @cached_property
    def shape_config(self) -> dict[str, Mapping[str, Any]]:
        """The configs that shapes tell, by what they are of. Raises Incomplete or Mismatch naming file and tensor."""
        return {of: self.config_of(stand) for of, stand in self.located.items()}

    def config_of(self, stand: Stand) -> dict[str, Any]:
        """Return the config that a part's shapes tell. Raises Incomplete or Mismatch naming file and tensor."""
        try:
            config = stand.layout.config(self.shapes(stand))
        except ModelError as error:
            wrong = Incomplete if isinstance(error, Incomplete) else Mismatch
            raise wrong(f"{self.path}: {f'in {stand.prefix}* ' if stand.prefix else ''}{error}.") from None
        return ({"_class_name": stand.layout.kind} if stand.layout.kind else {}) | config

    def family_of_denoiser(self) -> str:
        """Return the family of the file's denoiser. Raises Unrecognised for one that is not read."""
        stand = self.located[self.denoiser]
        entry = ENTRIES.get(stand.layout.kind, ())
        found = next((self.shape_of(stand.prefix + key) for key in entry if self.shape_of(stand.prefix + key)), ())
        channels = (*found, 0, 0)[1]
        allowed, known = ((4, 9), CHANNELS) if self.denoiser == "unet" else ((16, 64), FLUX_CHANNELS)
        if channels not in allowed:
            what = f" and {known[channels]}" if channels in known else ""
            raise Unrecognised(
                f"{self.path}: the {SPOKEN[self.denoiser]} has {channels} input channels{what}; supported are "
                + ("4 and, for inpainting, 9." if self.denoiser == "unet" else "16 latent ones, 64 in Flux.")
            )
        family = family_of(stand.layout.kind, self.shape_config[self.denoiser])
        if not family:
            raise Unrecognised(
                f"{self.path}: this is a Stable Diffusion that reads more than words and is not XL; {SUPPORTED}."
            )
        return family

    def shape_of(self, key: str) -> tuple[int, ...]:
        """Return the shape of a tensor, () where it is missing."""
        return self.listing.tensors[key].shape if key in self.listing.tensors else ()

    @cached_property
    def read_by(self) -> tuple[str, ...]:
        """The families that can read all that is in the file, the likeliest first."""
        if self.own:
            return (self.own,)
        reading = [self.vae_read_by if of == "vae" else READ_BY[of] for of in self.located]
        return tuple(family for family in reading[0] if all(family in families for families in reading)) or reading[0]

    @property
    def vae_read_by(self) -> tuple[str, ...]:
        """The families that can read the autoencoder. Raises Unrecognised for other latents than theirs."""
        channels = self.shape_config["vae"].get("latent_channels", 0)
        if channels not in VAE_READ_BY:
            raise Unrecognised(f"{self.path}: an autoencoder of {channels} latent channels; supported are 4 and 16.")
        return VAE_READ_BY[channels]

    @cached_property
    def parts(self) -> dict[str, Part]:
        """The parts that are there, by diffusers' folder names. Raises Incomplete, Mismatch naming file and tensor."""
        found: dict[str, Part] = {}
        for name, role in self.roles.items():
            of = next((of for of in role.of if of in self.located), "")
            if of and (self.family == self.own or self.may_lend(of)):
                found[name] = self.taken(of, role)
        return found

    def may_lend(self, of: str) -> bool:
        """Return whether another family than the file's own can read what is in it."""
        return of not in DENOISING and (of != "vae" or self.family in self.vae_read_by)

    def taken(self, of: str, role: Role) -> Part:
        """Return what is found in a role: its config with what the family tells, and its names."""
        stand = self.located[of]
        config = {**self.shape_config[of], **self.told(of, role)}
        names = stand.layout.names(config)
        places = {stand.prefix + key: place for key in self.shapes(stand) if (place := placed(key, names))}
        return Part(of, stand, role, config, once(places))

    def told(self, of: str, role: Role) -> dict[str, Any]:
        """Return what the family tells of a part beside what its shapes do."""
        if of in ACTIVATIONS:
            return {"hidden_act": ACTIVATIONS[of], **role.told}
        if of == "unet":
            return {**role.told, "sample_size": self.side}
        if of == "vae" and self.located[of].layout.kind == "AutoencoderTiny":
            return {"scaling_factor": 1.0, "shift_factor": 0.0}
        return dict(role.told) if of in ("vae", "transformer") else {}

    def part(self, part: str) -> Part:
        """Return a part; raises Incomplete where the file goes without it."""
        if part not in self.parts:
            role = self.roles.get(part)
            if role is None:
                raise Incomplete(f"{self.path}: {WORDS[self.family]} {self.variant} has no {part}.")
            starts = " or ".join(dict.fromkeys(f"{stand.prefix}*" for stand in STANDS if fits(stand, role)))
            raise Incomplete(f"{self.path}: has no {role.spoken} ({starts}); needed is a whole checkpoint.")
        return self.parts[part]

    def shapes(self, stand: Stand) -> dict[str, tuple[int, ...]]:
        """Return the shapes of a part by the names behind its beginning, without what is known to be of no use."""
        return self.all_shapes[stand.prefix]

    @cached_property
    def all_shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """The shapes under each part's beginning."""
        return {
            stand.prefix: {
                key[len(stand.prefix) :]: self.listing.tensors[key].shape
                for key in self.keys(stand)
                if not self.why_unused(key)
            }
            for stand in self.located.values()
        }

    def keys(self, stand: Stand) -> Iterator[str]:
        """Yield the names under a part's beginning; what stands under no beginning is the part's that has none."""
        others = tuple(other.prefix for other in self.located.values() if other.prefix)
        for key in self.listing.tensors:
            if key.startswith(stand.prefix) and (stand.prefix or not key.startswith(others)):
                yield key

    def why_unused(self, key: str) -> str | None:
        """Return what a name is that no part of the model reads, None where it is not among what is published."""
        if found := first(EXTRAS, key):
            return found
        for stand in self.located.values():
            if key.startswith(stand.prefix) and (found := first(stand.layout.extras, key[len(stand.prefix) :])):
                return found
        return None

    @property
    def missing(self) -> tuple[str, ...]:
        """The parts that the family needs and the file goes without, in words; none where it has no denoiser."""
        needed = {name: role for name, role in self.roles.items() if role.needed and self.own}
        return tuple(role.spoken for name, role in needed.items() if name not in self.parts)

    @cached_property
    def unused(self) -> dict[str, list[str]]:
        """The names that no part reads, by what they are; "" is what is not known."""
        used = {key for part in self.parts.values() for key in part.places}
        found: dict[str, list[str]] = {}
        for key in self.listing.tensors:
            if key not in used:
                found.setdefault(self.why_unused(key) or self.why_left_over(key) or "", []).append(key)
        return found

    def why_left_over(self, key: str) -> str | None:
        """Return why a part of the model leaves a name of its own unread, None where that is not known."""
        for stand in self.located.values():
            if key.startswith(stand.prefix) and (found := first(stand.layout.left_over, key[len(stand.prefix) :])):
                return found
        return None

    def strangers(self, part: Part) -> list[str]:
        """Return the names under a part's beginning that have no place and are not known."""
        under = set(self.keys(part.stand))
        return [key for key in self.unused.get("", ()) if key in under]

    @cached_property
    def prediction(self) -> tuple[str, str]:
        """What the denoiser predicts, in diffusers' word or "flow", and how that is known; both "" without one."""
        if not self.own:
            return "", ""
        return prediction_of(
            *(self.listing, self.sidecar, self.own, self.variant), inpaints=self.inpaints, telling=self.telling
        )

    @property
    def inpaints(self) -> bool:
        """Whether the denoiser reads a mask and the masked picture beside the latent."""
        return self.denoiser == "unet" and self.shape_config["unet"]["in_channels"] == 9

    @property
    def telling(self) -> str:
        """The name of the bias whose spread tells what a Stable Diffusion 2 predicts: the last attention's first."""
        stand = self.located.get("unet")
        if stand is None:
            return ""
        last = count(self.shapes(stand), "output_blocks.") - 1
        return f"{stand.prefix}output_blocks.{last}.1.transformer_blocks.0.norm1.bias"

    @property
    def side(self) -> int:
        """The side of the latents of the training: 128 in XL, 96 for the 2.x that predict v, else 64."""
        if self.own == "sdxl":
            return 128
        return 96 if self.variant == "2.x" and self.prediction[0] == "v_prediction" else 64

    @property
    def zero_snr(self) -> bool:
        """Whether the noise schedule ends in nothing but noise."""
        return bool(self.own) and ends_in_noise(self.listing, self.sidecar)

    @property
    def schedule(self) -> dict[str, Any]:
        """The noise schedule, in diffusers' words."""
        if found := SCHEDULES.get(self.family) or SCHEDULES.get(self.variant):
            return found
        return {"rescale_betas_zero_snr": self.zero_snr}

    @property
    def dtype(self) -> str:
        """The number formats of the parts, the commonest first, such as "float16" or "float16, float32"."""
        tensors = self.listing.tensors
        return formats(tensors[key] for part in self.parts.values() for key in part.places)


DENOISING = {"unet", "transformer"}
ENTRIES = {  # the weights by whose second side a denoiser's input channels are known
    "UNet2DConditionModel": ("input_blocks.0.0.weight", "conv_in.weight"),
    "SD3Transformer2DModel": ("x_embedder.proj.weight", "pos_embed.proj.weight"),
    "FluxTransformer2DModel": ("img_in.weight", "x_embedder.weight"),
}


def contents_of(file: Path, family: str = "", variant: str = "") -> Contents:
    """Return what is in a single file, read from its header, as a family sees it. Raises ModelError naming it."""
    return Contents(listing_of(file), family, variant)


def formats(tensors: Iterable[Stored]) -> str:
    """Return the number formats of tensors in words, the commonest first."""
    sizes: dict[str, int] = {}
    for tensor in tensors:
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.size
    return ", ".join(FORMATS.get(word, word) for word in sorted(sizes, key=lambda word: -sizes[word]))


def fits(stand: Stand, role: Role) -> bool:
    """Return whether what stands there may fill a role and has a beginning that can be told."""
    return bool(stand.prefix) and stand.of in role.of


def first(reasons: Mapping[str, str], key: str) -> str | None:
    """Return the first reason whose beginning a name has."""
    if not key.startswith(tuple(reasons)):
        return None
    return next((why for start, why in reasons.items() if key.startswith(start)), None)


def once(places: Mapping[str, Place]) -> dict[str, Place]:
    """Return places without a second name of what the file has twice."""
    seen: set[tuple[str, ...]] = set()
    found: dict[str, Place] = {}
    for key, place in places.items():
        if place.how != "shared" or place.names not in seen:
            found[key] = place
        seen.add(place.names)
    return found
