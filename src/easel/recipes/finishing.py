"""From pixels to pictures with their infotext: the last part of every recipe."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from PIL.Image import Image
from torch import Tensor

from easel.core.passes import Components
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.settings import EIGHT_BITS
from easel.core.version import version
from easel.core.work import Finish, Load, Wanted, Work
from easel.media.tensors import to_images
from easel.models.family import Model
from easel.models.words.vectors import widths_of
from easel.prompt import infotext
from easel.prompt.fields import Fields, named
from easel.recipes.afterwards import afterwards, goes_on
from easel.recipes.common import Settled, recipes
from easel.recipes.decoding import decode as decode
from easel.recipes.done import done_fields
from easel.recipes.leads import WornNetworks, bare, load_networks, prompts_of

Edit = Callable[[list[Image]], list[Image]]


def finish(
    settled: Settled,
    model: Model,
    pixels: Tensor,
    *,
    more: Mapping[str, str | int | float] | None = None,
    edit: Edit | None = None,
) -> Generator[Work, Any, tuple[Picture, ...]]:
    """Make pictures of pixels (n, 3, height, width), in the order of the request's seeds, with their infotext.

    more: further fields of the infotext. edit: the recipe's last touch, images to as many images; what the request asks
    to become of finished pictures is done after it.
    """

    def made() -> list[Image]:
        images = to_images(pixels)
        return edit(images) if edit else images

    return (yield from described(settled, model, made, more=more))


def described(
    settled: Settled,
    model: Model,
    made: Callable[[], list[Image]],
    *,
    more: Mapping[str, str | int | float] | None = None,
) -> Generator[Work, Any, tuple[Picture, ...]]:
    """Do to what `made` returns what becomes of finished pictures, and give them their infotext; as in `finish`."""
    request = settled.request
    images: list[Image] = []
    if goes_on(request):
        images = yield from afterwards(settled, model, (yield Finish(made)))
    autoencoder = yield from vae_fields(request.components)
    worn = yield from load_networks("\n".join(prompts_of(request)[0]))

    def finished() -> tuple[Picture, ...]:
        common = dict(more or {}) | autoencoder | hash_fields(request, model, worn) | done_fields(request)
        return tuple(
            Picture(
                image,
                request.seeds[place],
                infotext.write(request.prompt, request.negative_prompt, fields(settled, model, place) | common),
            )
            for place, image in enumerate(images or made())
        )

    return (yield Finish(finished))


def hash_fields(request: Request, model: Model, worn: WornNetworks) -> Fields:
    """Return the hashes of the networks and embeddings that a request names, as A1111 tells them."""
    networks = {network.name: network.hash for network, _ in worn.denoiser}
    texts = " ".join(bare(text) for prompts in prompts_of(request) for text in prompts)
    widths = widths_of(model.parts)
    embeddings = {one.name: one.hash for one in model.machine.embeddings(texts) if widths <= one.vectors.keys()}
    named = {"Lora hashes": networks, "TI hashes": embeddings}
    return {
        field: ", ".join(f"{name}: {digits}" for name, digits in hashes.items())
        for field, hashes in named.items()
        if hashes
    }


def fields(settled: Settled, model: Model, place: int) -> Fields:
    """Return the settings of picture number `place` under A1111's infotext names."""
    request = settled.request
    found: Fields = {
        "Steps": settled.steps,
        "Sampler": settled.sampler.name,
        "Schedule type": settled.schedule,
        "CFG scale": settled.scale,
        "Seed": request.seeds[place],
        "Size": f"{settled.width}x{settled.height}",
        "Model": model.name,
        "RNG": request.noise,
    }
    if model.distilled:
        found["Distilled CFG Scale"] = request.guidance.distilled
    found |= variation_fields(settled, place) | words_fields(settled)
    found |= named(request.sampler_options, "Sampler") | named(request.schedule_options, "Schedule")
    return found | making_fields(request, model, place)


def making_fields(request: Request, model: Model, place: int) -> Fields:
    """Return the fields by which a replay tells why it may differ: recipe, batch, weights, machine and version."""
    found: Fields = {}
    recipe = recipes[request.recipe].name
    if recipe != "text_to_image":
        found["Recipe"] = recipe
    if request.mask and request.mask.channel != "light":
        found["Mask channel"] = request.mask.channel
    if request.batch_size > 1:
        found |= {"Batch size": request.batch_size, "Batch pos": place}
    if model.machine.weights in EIGHT_BITS:
        found["FP8 weight"] = "Enable"
    if model.hash:
        found["Model hash"] = model.hash
    return (
        found | component_fields(request.components) | {"Machine": model.machine.words, "Version": f"Easel {version()}"}
    )


def vae_fields(components: Components) -> Generator[Work, Any, Fields]:
    """Ask for the fields of an autoencoder that was chosen: its name and the hash of its file, as A1111 tells them."""
    name = components.vae
    if name is None:
        return {}
    if name.casefold() == "none":
        return {"VAE": name}
    found: str = yield Load(Wanted("hash", name, (("kind", "vae"),)))
    return {"VAE hash": found, "VAE": name} if found else {"VAE": name}


def component_fields(components: Components) -> Fields:
    """Return the fields of parts that came from files of their own; text encoders are counted, as in Forge."""
    found: Fields = {"Denoiser": components.denoiser} if components.denoiser else {}
    return found | {f"Module {n}": name for n, name in enumerate(components.text_encoders, 1)}


def variation_fields(settled: Settled, place: int) -> Fields:
    """Return the fields of variations and of noise."""
    request, variation = settled.request, settled.request.variation
    found: Fields = {}
    if variation.strength:
        found |= {"Variation seed": request.variation_seeds[place], "Variation seed strength": variation.strength}
    if variation.resize_from:
        found["Seed resize from"] = "{}x{}".format(*variation.resize_from)
    if request.ensd and settled.sampler.facts["ensd"]:
        found["ENSD"] = request.ensd
    return found


def words_fields(settled: Settled) -> Fields:
    """Return the fields of how words are read, of guidance and of tiling, where they are not as usual."""
    request, words = settled.request, settled.request.words
    found: Fields = {}
    if words.clip_skip > 1:
        found["Clip skip"] = words.clip_skip
    if words.emphasis != "Original":
        found["Emphasis"] = words.emphasis
    if words.comma_backtrack != 20:
        found["Comma backtrack"] = words.comma_backtrack
    if words.old_editing:
        found["Old prompt editing timelines"] = "True"
    if request.tiled_decode:
        found["Tiled decode"] = request.tiled_decode
    if request.seamless:
        found["Tiling"] = "True" if request.seamless == "xy" else request.seamless
    if request.guidance.rescale:
        found["CFG rescale"] = request.guidance.rescale
    if request.guidance.start > 0 or request.guidance.end < 1:
        found["CFG interval"] = f"{request.guidance.start}-{request.guidance.end}"
    return found | shortcut_fields(request)


def shortcut_fields(request: Request) -> Fields:
    """Return the fields of what was left out for speed; "NGMS" and "NGMS all steps" are A1111's."""
    asked = request.shortcuts
    found: Fields = {"DeepCache": asked.features_every} if asked.features_every > 1 else {}
    found |= {"T-GATE": asked.gate} if asked.gate < 1 else {}
    found |= {"NGMS": asked.ngms} if asked.ngms else {}
    return found | ({"NGMS all steps": "True"} if asked.ngms_all else {})
