"""What the names of a call mean here: the library's own names for models that this dialect may call otherwise.

Looks into folders by the library's lists; reads no weights. How a call became requests stands in chosen.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from easel.api.a1111.listings import model_meant, module_meant
from easel.api.a1111.modules import CONTROL_KINDS
from easel.core.control import Control, ImagePrompt
from easel.core.detail import Detail
from easel.core.errors import BadValue, UnknownName, Unsupported
from easel.core.finishing import Background
from easel.core.motion import Motion
from easel.core.passes import Components
from easel.core.request import Request
from easel.models.library.names import Library
from easel.post.upscalers import upscalers

FLAT = Background.model_fields["model"].default  # needs no file
MODELS = "GET /controlnet/model_list"
ENDINGS = ("ckpt", "safetensors", "pth", "bin")  # of the files of motion modules

# What A1111 calls the files that it fetches by itself.
UPSCALERS = {
    "r-esrgan 4x+": "RealESRGAN_x4plus",
    "r-esrgan 4x+ anime6b": "RealESRGAN_x4plus_anime_6B",
    "r-esrgan 2x+": "RealESRGAN_x2plus",
    "r-esrgan general 4xv3": "realesr-general-x4v3",
    "r-esrgan general wdn 4xv3": "realesr-general-wdn-x4v3",
    "r-esrgan animevideo": "realesr-animevideov3",
    "esrgan_4x": "ESRGAN",
    "scunet gan": "scunet_color_real_gan",
    "scunet psnr": "scunet_color_real_psnr",
    "swinir 4x": "003_realSR_BSRGAN_DFOWMFC_s64w8_SwinIR-L_x4_GAN",
    "dat x2": "DAT_x2",
    "dat x3": "DAT_x3",
    "dat x4": "DAT_x4",
}


def named(request: Request, library: Library) -> Request:
    """Return a request with the library's own names for all that it names. Raises UnknownName."""
    changes: dict[str, Any] = {"model": model_meant(library, request.model)}
    parts = request.components
    if parts.vae or parts.text_encoders:
        changes["components"] = parts.changed(**parts_meant(library, parts))
    if request.refiner:
        changes["refiner"] = request.refiner.changed(model=model_meant(library, request.refiner.model))
    if request.hires:
        changes["hires"] = request.hires.changed(upscaler=upscaler_meant(library, request.hires.upscaler))
    if request.tiles:
        changes["tiles"] = request.tiles.changed(upscaler=upscaler_meant(library, request.tiles.upscaler))
    if request.enlarge:
        names = {"upscaler": request.enlarge.upscaler, "second": request.enlarge.second}
        found = {field: upscaler_meant(library, name) for field, name in names.items() if name is not None}
        changes["enlarge"] = request.enlarge.model_copy(update=found)
    if request.background:
        changes["background"] = background_meant(library, request.background)
    if request.motion:
        changes["motion"] = motion_meant(library, request.motion)
    changes["controls"] = tuple(control_meant(library, one) for one in request.controls)
    changes["image_prompts"] = tuple(prompt_meant(library, one) for one in request.image_prompts)
    changes["details"] = tuple(detail_meant(library, one) for one in request.details)
    return request.model_copy(update=changes)


def parts_meant(library: Library, parts: Components) -> dict[str, Any]:
    """Return the library's own names for a VAE and modules; a VAE among these is the one, as in Forge."""
    told = [module_meant(library, one) for one in parts.text_encoders]
    vaes = [name for kind, name in told if kind == "vae"]
    if not vaes and parts.vae:
        vaes = [model_meant(library, parts.vae, "vae")]
    if len(vaes) > 1:
        raise BadValue("forge_additional_modules", ", ".join(vaes), "one VAE at most")
    return {"vae": next(iter(vaes), None), "text_encoders": tuple(name for kind, name in told if kind != "vae")}


def upscaler_meant(library: Library, name: str) -> str:
    """Return an upscaler's name: the registry's, a file's, or that of the file that A1111 calls so."""
    if name in upscalers:
        return name
    with suppress(UnknownName):
        return model_meant(library, name, "upscaler")
    if file := UPSCALERS.get(name.strip().casefold()):
        with suppress(UnknownName):
            return model_meant(library, file, "upscaler")
    known = (*upscalers.names, *library.places("upscaler"))
    raise UnknownName("upscaler", name, known, listing="GET /sdapi/v1/upscalers")


def background_meant(library: Library, background: Background) -> Background:
    """Return a background with the library's own name for the file that removes it."""
    if background.model == FLAT:
        return background
    return background.model_copy(update={"model": model_meant(library, background.model, "background")})


def motion_meant(library: Library, motion: Motion) -> Motion:
    """Return a clip's motion with the library's own name for its module, whose file may end otherwise here."""
    stem, dot, ending = motion.model.rpartition(".")
    if dot and ending.casefold() in ENDINGS:
        with suppress(UnknownName):
            return motion.model_copy(update={"model": model_meant(library, stem, "motion_module")})
    return motion.model_copy(update={"model": model_meant(library, motion.model, "motion_module")})


def control_meant(library: Library, control: Control) -> Control:
    """Return a control with the library's own name for its model."""
    if control.model is None:
        return control
    return control.model_copy(update={"model": one_of(library, control.model, CONTROL_KINDS, "ControlNet", MODELS)})


def prompt_meant(library: Library, prompt: ImagePrompt) -> ImagePrompt:
    """Return an image prompt with the library's own name for its model."""
    return prompt.model_copy(update={"model": one_of(library, prompt.model, ("ip_adapter",), "IP-Adapter", MODELS)})


def detail_meant(library: Library, detail: Detail) -> Detail:
    """Return a detail with the library's own names for its detector, its models and those of its controls."""
    changes: dict[str, Any] = {"controls": tuple(control_meant(library, one) for one in detail.controls)}
    if detail.by == "model":
        changes["find"] = detector_meant(library, detail.find)
    if detail.model is not None:
        changes["model"] = model_meant(library, detail.model)
    if detail.components is not None and detail.components.vae:
        changes["components"] = detail.components.changed(**parts_meant(library, detail.components))
    return detail.model_copy(update=changes)


def detector_meant(library: Library, name: str) -> str:
    """Return the library's own name for a detector. Raises Unsupported that says what finds regions without one."""
    with suppress(UnknownName):
        return model_meant(library, name, "detector")
    there = ", ".join(library.places("detector")) or "none"
    raise Unsupported(
        f"ad_model {name!r} is not here as an ONNX file of the models folder (there: {there}); export its .pt to ONNX, "
        'or take "words: face", which needs no file.'
    )


def one_of(library: Library, name: str, kinds: Sequence[str], words: str, listing: str) -> str:
    """Return the library's own name for a file of one of these kinds. Raises UnknownName."""
    for kind in kinds:
        with suppress(UnknownName):
            return model_meant(library, name, kind)
    known = [own for kind in kinds for own in library.places(kind)]
    raise UnknownName(words, name, known, listing=listing)
