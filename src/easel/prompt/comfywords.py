"""What leads a ComfyUI sampler: its texts, model, LoRAs and CLIP layer, found by following links back from it.

Texts come out in A1111's language with their meaning kept: brackets that are mere letters in ComfyUI are escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from easel.core.errors import BadValue
from easel.prompt.comfygraph import WHAT, Graph, Node
from easel.prompt.readers import Places

TEXTS = ("text", "text_g", "t5xxl", "clip_l", "text_l")
MOST_PARTS = 64
LOADERS = {"CheckpointLoaderSimple": "ckpt_name", "CheckpointLoader": "ckpt_name", "UNETLoader": "unet_name"}
LORAS = ("LoraLoader", "LoraLoaderModelOnly")
TAGGABLE = re.compile(r"[^:<>,]+")


@dataclass(frozen=True, slots=True)
class Lead:
    """prompt, negative: in A1111's language. model: its name. places: further fields of a request."""

    prompt: str
    negative: str
    model: str | None
    places: Places = field(default_factory=dict[str, Any])


def words_of(graph: Graph, node: Node, notes: dict[str, str]) -> Lead:
    """Return what leads `node`, a sampler or a guider. Raises BadValue for a graph that has no end."""
    positive = texts_of(graph, node, "positive" if "positive" in node.inputs else "conditioning")
    negative = texts_of(graph, node, "negative")
    model, tags, places = model_of(graph, node)
    if len(negative) > 1:
        notes["negative prompt"] = "of several texts the first is kept"
    weight = f" :{1 / len(positive):.4g}" if len(positive) > 1 else ""  # ComfyUI takes the mean of combined texts
    prompt = " AND ".join(text + weight for text in positive)
    return Lead(" ".join([prompt, *tags]).strip(), "".join(negative[:1]), model, places)


def texts_of(graph: Graph, node: Node, name: str, depth: int = 0) -> list[str]:
    """Return the texts that an input's conditioning combines, each a text, or several joined by BREAK."""
    texts: list[str] = []
    waiting = [(node, name)]
    while waiting:
        found = graph.link(*waiting.pop())
        if found is None:
            continue
        node, output = found
        if len(texts) >= MOST_PARTS or depth > MOST_PARTS:
            raise BadValue(WHAT, f"more than {MOST_PARTS} texts", "fewer texts")
        if node.kind == "ConditioningCombine":
            graph.used.add(node.id)
            waiting += [(node, "conditioning_2"), (node, "conditioning_1")]
        elif node.kind == "ConditioningConcat":
            graph.used.add(node.id)
            parts = [texts_of(graph, node, part, depth + 1) for part in ("conditioning_to", "conditioning_from")]
            texts.append(" BREAK ".join(" ".join(part) for part in parts if part))
        elif node.kind.startswith("CLIPTextEncode"):
            texts.append(text_of(graph, node))
        elif node.kind == "ConditioningZeroOut":
            texts.append("")
        else:
            names = ("negative" if output == 1 else "positive", "conditioning", "conditioning_to")
            waiting += [(node, name) for name in names if name in node.inputs][:1]
    return texts


def text_of(graph: Graph, node: Node) -> str:
    """Return the text of a node that encodes one, in A1111's language."""
    for name in TEXTS:
        text = graph.value(node, name)
        if isinstance(text, str):
            graph.used.add(node.id)
            return re.sub(r"(?<!\\)([\[\]])", r"\\\1", text)
    return ""


def model_of(graph: Graph, node: Node) -> tuple[str | None, list[str], Places]:
    """Return the name of the model that `node` runs, the LoRAs on the way as A1111's tags, and what else it changes."""
    tags: list[str] = []
    places: Places = {}
    step = graph.before(node, "model")
    while step is not None:
        if step.kind in LOADERS:
            graph.used.add(step.id)
            return stem(graph.value(step, LOADERS[step.kind])), tags[::-1], places | clip_skip(graph, node)
        if step.kind in LORAS:
            tag = tag_of(graph, step)
            if tag:
                tags.append(tag)
                graph.used.add(step.id)
        elif step.kind == "RescaleCFG":
            places["guidance.rescale"] = graph.value(step, "multiplier")
            graph.used.add(step.id)
        step = graph.before(step, "model")
    return None, tags[::-1], places


def tag_of(graph: Graph, node: Node) -> str | None:
    """Return A1111's tag for a LoRA's node, None where its name or strengths cannot stand in one."""
    name = stem(graph.value(node, "lora_name"))
    unet = graph.value(node, "strength_model")
    text = graph.value(node, "strength_clip") if node.kind == "LoraLoader" else 0
    if name is None or not TAGGABLE.fullmatch(name):
        return None
    if not all(isinstance(strength, int | float) and abs(strength) < 1e6 for strength in (unet, text)):
        return None
    name = name.replace("\\", "/").rpartition("/")[2]
    return f"<lora:{name}:{float(unet):g}>" if unet == text else f"<lora:{name}:{float(text):g}:{float(unet):g}>"


def clip_skip(graph: Graph, node: Node) -> Places:
    """Return the text encoder's layer where a node sets it, found from the positive text."""
    found = graph.before(node, "positive", "conditioning")
    for part in graph.upstream(found) if found else ():
        if part.kind == "CLIPSetLastLayer":
            layer = graph.value(part, "stop_at_clip_layer")
            if isinstance(layer, int):
                graph.used.add(part.id)
                return {"words.clip_skip": -layer}
    return {}


def stem(file: Any) -> str | None:
    """Return a model's name from its file's: without the ending that weights have."""
    return re.sub(r"\.(safetensors|ckpt|pt|pth|bin|sft)$", "", file) if isinstance(file, str) else None
