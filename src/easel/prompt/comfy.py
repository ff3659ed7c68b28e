"""From ComfyUI's graph of nodes to the request that comes nearest, naming every node that it could not honour.

Links are followed back from the node that saves the picture. Names of samplers and schedules stay ComfyUI's, which the
registries know. Where ComfyUI counts otherwise than a request can say, a note among `ignored` tells of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from easel.core.errors import BadValue
from easel.prompt.comfygraph import WHAT, Graph, Node, read_graph
from easel.prompt.comfywords import Lead, words_of
from easel.prompt.readers import Places
from easel.prompt.recall import Recalled, recalled

SAMPLERS = ("KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced")
ENDS = ("SaveImage", "PreviewImage")
LATENTS = ("samples", "latent", "latent_image", "samples_from", "samples_to")
IMAGES = ("pixels", "image", "images")
EMPTY = ("EmptyLatentImage", "EmptySD3LatentImage")
METHODS: Mapping[str, str] = {
    "nearest-exact": "Latent (nearest-exact)",
    "bilinear": "Latent",
    "bicubic": "Latent (bicubic)",
}
PIXEL_METHODS: Mapping[str, str] = {"lanczos": "Lanczos", "nearest-exact": "Nearest"}


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a sampler's node, whichever kind, asks for; values as the graph has them."""

    node: Node
    latent: Node | None
    lead: Lead
    places: Places = field(default_factory=dict[str, Any])
    strength: Any = 1.0


@dataclass(slots=True)
class Found:
    """What was found in the graph so far: places of a request, the node that each is from, and notes."""

    graph: Graph
    places: Places = field(default_factory=dict[str, Any])
    names: dict[str, str] = field(default_factory=dict[str, str])
    notes: dict[str, str] = field(default_factory=dict[str, str])

    def put(self, node: Node, places: Places) -> None:
        """Note places that a node fills; what it leaves open stays open."""
        given = {place: value for place, value in places.items() if value is not None}
        self.places |= given
        self.names |= dict.fromkeys(given, node.title)
        self.graph.used.add(node.id)


def recall_graph(text: str) -> Recalled:
    """Return the request that a ComfyUI "prompt" comes nearest to. Raises BadValue where it draws no picture."""
    graph = read_graph(text)
    end = end_of(graph)
    way = list(graph.upstream(end))
    last = next((node for node in way if node.kind in SAMPLERS), None)
    if last is None:
        raise BadValue(WHAT, f"{len(graph.nodes)} nodes", "a graph with a sampler: " + ", ".join(SAMPLERS))
    found = Found(graph)
    graph.used |= {node.id for node in way if node.kind in (*ENDS, "VAEDecode")}
    told(found, last)
    found.put(last, {"noise": "CPU"})
    ignored = {node.title: values_of(node) for node in way if node.id not in graph.used} | found.notes

    def spoken(place: str) -> str:
        near = [known for known in found.names if place == known or place.startswith(known + ".")]
        return f"ComfyUI {found.names[max(near, key=len)]}, {place}" if near else f"ComfyUI {place}"

    return recalled(found.places, spoken, "comfyui", ignored)


def end_of(graph: Graph) -> Node:
    """Return the node that saves a picture, else a sampler on which no other depends."""
    for kind in ENDS:
        for node in graph.nodes.values():
            if node.kind == kind:
                return node
    samplers = [node for node in graph.nodes.values() if node.kind in SAMPLERS]
    for node in reversed(samplers):
        if not any(node in list(graph.upstream(other))[1:] for other in samplers):
            return node
    return samplers[0] if samplers else next(iter(graph.nodes.values()))


def told(found: Found, last: Node) -> None:
    """Follow the latents back from the last sampler: a refiner, a second pass, and where it all begins."""
    one = sampling_of(found, last)
    refined = before(found, one)
    graph = found.graph
    if refined is not None and last.kind == refined.kind == "KSamplerAdvanced":
        first = sampling_of(found, refined)
        steps, start = number(graph.value(last, "steps")), number(graph.value(last, "start_at_step"))
        if one.lead.model is not None and steps:
            found.put(last, {"refiner.model": one.lead.model, "refiner.switch_at": start / steps})
        only(found, one, ("sampler", "schedule", "guidance.scale"), first)
        one = first
    resize, source = resized(found, one.latent)
    if resize and source is not None and source.kind in SAMPLERS:
        first = sampling_of(found, source)
        second_pass(found, one, first, resize)
        one, (resize, source) = first, resized(found, first.latent)
    lead = one.lead
    put = {"prompt": lead.prompt, "negative_prompt": lead.negative, "model": lead.model, **lead.places}
    found.put(one.node, {**one.places, **put})
    begin(found, one, source, resize)


def sampling_of(found: Found, node: Node) -> Sampling:
    """Return what a sampler's node asks for, whichever of ComfyUI's kinds it is."""
    graph = found.graph
    graph.used.add(node.id)
    noise = graph.before(node, "noise") or node
    guider = graph.before(node, "guider") or node
    chosen = graph.before(node, "sampler") or node
    sigmas = graph.before(node, "sigmas") or node
    used = ("RandomNoise", "CFGGuider", "BasicGuider", "KSamplerSelect", "BasicScheduler", "KarrasScheduler")
    graph.used |= {part.id for part in (noise, guider, chosen, sigmas) if part.kind in used}
    seed = graph.value(noise, "noise_seed")
    schedule: Any = graph.value(sigmas, "scheduler")
    options: Places = {}
    if sigmas.kind == "KarrasScheduler":
        schedule = "karras"
        options = {f"schedule_options.{name}": graph.value(sigmas, name) for name in ("sigma_min", "sigma_max", "rho")}
    sampler = graph.value(chosen, "sampler_name")
    strength = graph.value(sigmas, "denoise")
    return Sampling(
        node,
        graph.before(node, "latent_image"),
        words_of(graph, guider, found.notes),
        {
            "seed": graph.value(noise, "seed") if seed is None else seed,
            "steps": graph.value(sigmas, "steps"),
            "sampler": "euler" if sampler == "ddim" else sampler,  # ComfyUI's ddim is Euler's method
            "schedule": schedule,
            "guidance.scale": 1.0 if guider.kind == "BasicGuider" else graph.value(guider, "cfg"),
            **options,
        },
        1.0 if strength is None else strength,
    )


def before(found: Found, one: Sampling) -> Node | None:
    """Return the sampler whose latents this one goes on with as they are."""
    return one.latent if one.latent is not None and one.latent.kind in SAMPLERS else None


def resized(found: Found, node: Node | None) -> tuple[Places, Node | None]:
    """Follow latents or pixels back to where they come from; return how they were enlarged on the way, and where."""
    graph, how = found.graph, dict[str, Any]()
    while node is not None and node.kind not in (*SAMPLERS, *EMPTY, "LoadImage"):
        if node.kind in ("LatentUpscale", "LatentUpscaleBy", "ImageScale", "ImageScaleBy"):
            method = graph.value(node, "upscale_method")
            methods = METHODS if node.kind.startswith("Latent") else PIXEL_METHODS
            if isinstance(method, str) and method in methods and not how:
                how = {
                    "hires.upscaler": methods[method],
                    "hires.scale": graph.value(node, "scale_by"),
                    "hires.width": graph.value(node, "width") or None,
                    "hires.height": graph.value(node, "height") or None,
                }
                graph.used.add(node.id)
        elif node.kind in ("VAEDecode", "VAEEncode"):
            graph.used.add(node.id)
        elif node.kind in ("VAEEncodeForInpaint", "SetLatentNoiseMask", "InpaintModelConditioning"):
            found.put(node, {"mask.blur": 0})
        elif node.kind == "RepeatLatentBatch":
            found.put(node, {"batch_size": graph.value(node, "amount")})
        node = graph.before(node, *LATENTS, *IMAGES)
    return how, node


def second_pass(found: Found, second: Sampling, first: Sampling, resize: Places) -> None:
    """Note the second pass, as far as it differs from the first."""
    found.put(second.node, {**resize, "hires.strength": second.strength, "hires.steps": second.places["steps"]})
    for place, home in (("sampler", "sampler"), ("schedule", "schedule"), ("guidance.scale", "cfg_scale")):
        if second.places[place] != first.places[place]:
            found.put(second.node, {f"hires.{home}": second.places[place]})
    for place, text, other in (
        ("hires.prompt", second.lead.prompt, first.lead.prompt),
        ("hires.negative_prompt", second.lead.negative, first.lead.negative),
    ):
        if text != other:
            found.put(second.node, {place: text})
    only(found, second, ("seed",), first)
    if second.lead.model != first.lead.model:
        found.notes[f"{second.node.title} model"] = str(second.lead.model)


def only(found: Found, second: Sampling, places: tuple[str, ...], first: Sampling) -> None:
    """Note where a second sampler asks for something else in what a request holds once."""
    for place in places:
        if second.places[place] != first.places[place]:
            found.notes[f"{second.node.title} {place}"] = shown(second.places[place])


def begin(found: Found, one: Sampling, source: Node | None, resize: Places) -> None:
    """Note where the first pass begins: an empty latent of some size, or a picture."""
    graph = found.graph
    if source is not None and source.kind in EMPTY:
        places = {name: graph.value(source, name) for name in ("width", "height", "batch_size")}
        found.put(source, places)
        if "mask.blur" in found.places:
            found.notes["mask"] = "over an empty latent"
            del found.places["mask.blur"]
    elif source is not None and source.kind == "LoadImage":
        recipe = "inpaint" if "mask.blur" in found.places else "image_to_image"
        size = {side: resize.get(f"hires.{side}") for side in ("width", "height")}
        found.put(source, {**size, "start.strength": one.strength, "start.all_steps": True, "recipe": recipe})
    if "start.strength" not in found.places and one.strength != 1:
        found.notes[f"{one.node.title} denoise"] = shown(one.strength)
    if found.places.get("batch_size", 1) != 1:
        found.notes["batch"] = "pictures after the first have other noise in ComfyUI"
    if re.search(r"\(.*\)", str(found.places.get("prompt", ""))):
        found.notes["emphasis"] = "ComfyUI reckons weights of words otherwise"


def number(value: Any) -> float:
    """Return a value as a number, 0 where it is none."""
    return float(value) if isinstance(value, int | float) and abs(value) < 1e9 else 0.0


def values_of(node: Node) -> str:
    """Return the values of a node's inputs in one line."""
    held = {name: value for name, value in node.inputs.items() if not isinstance(value, list | dict)}
    return shown(", ".join(f"{name}={value}" for name, value in held.items()))


def shown(value: Any) -> str:
    """Return a value as a short text."""
    text = str(value) if not isinstance(value, int) or abs(value) < 10**30 else "a huge number"
    return text if len(text) <= 200 else f"{text[:200]}…"
