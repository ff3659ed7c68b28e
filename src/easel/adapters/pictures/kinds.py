"""The kinds of image prompts: by which names a file is told, and how its projection stands in diffusers' classes.

A projection makes tokens of what a picture reader or a face reader gives. Knows names and shapes; no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from easel.models.layouts.naming import Names, inside, rows, table
from easel.models.layouts.shapes import Shapes, count, shape

HEAD = 64  # channels of a resampler's head

RESAMPLER_LAYER = table(
    {
        "0.norm1.": "ln0.",
        "0.norm2.": "ln1.",
        "0.to_q.": "attn.to_q.",
        "0.to_kv.": rows("attn.to_k.", "attn.to_v."),
        "0.to_out.": "attn.to_out.0.",
        "1.0.": "ff.0.",
        "1.1.": "ff.1.net.0.proj.",
        "1.3.": "ff.1.net.2.",
    }
)
ENDS = table({name: name for name in ("latents", "proj_in.", "proj_out.", "norm_out.")})


@dataclass(frozen=True, slots=True)
class Made:
    """What the shapes of a projection tell.

    config: of diffusers' class. tokens: of each picture, 0 for as many as the reader sees places. width: of a token.
    read: how wide what it reads of a picture is, 0 for nothing; face: how wide a face's embedding is, 0 for none.
    """

    config: Mapping[str, Any]
    tokens: int
    width: int
    read: int = 0
    face: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. words: what people call it. marks: names that are all there. module: diffusers' class.

    reads: what it reads of a picture reader, "" for nothing.
    """

    words: str
    marks: tuple[str, ...]
    module: str
    reads: Literal["projection", "states", ""]
    names: Callable[[Shapes], Names]
    made: Callable[[Shapes], Made]


def plain(shapes: Shapes) -> Made:
    """Return what a plain projection is: a linear layer to some tokens, and a norm."""
    out, read = shape(shapes, "proj.weight", 2)
    width = shape(shapes, "norm.weight", 1)[0]
    config = {"image_embed_dim": read, "cross_attention_dim": width, "num_image_text_embeds": out // width}
    return Made(config, out // width, width, read)


def plus(shapes: Shapes) -> Made:
    """Return what a resampler is, whose own latents read the picture's patches (Perceiver)."""
    _, queries, hidden = shape(shapes, "latents", 3)
    width, read = shape(shapes, "proj_out.weight", 2)[0], shape(shapes, "proj_in.weight", 2)[1]
    config = {
        "embed_dims": read,
        "output_dims": width,
        "hidden_dims": hidden,
        "num_queries": queries,
        **layers_of(shapes, "layers.", hidden),
    }
    return Made(config, queries, width, read)


def full(shapes: Shapes) -> Made:
    """Return what a projection of every patch is."""
    width, read = shape(shapes, "proj.3.weight", 1)[0], shape(shapes, "proj.0.weight", 2)[1]
    return Made({"image_embed_dim": read, "cross_attention_dim": width}, 0, width, read)


def face(shapes: Shapes) -> Made:
    """Return what a projection of a face's embedding is."""
    inner, read = shape(shapes, "proj.0.weight", 2)
    width, out = shape(shapes, "norm.weight", 1)[0], shape(shapes, "proj.2.weight", 2)[0]
    config = {
        "image_embed_dim": read,
        "cross_attention_dim": width,
        "mult": inner // read,
        "num_tokens": out // width,
    }
    return Made(config, out // width, width, face=read)


def face_plus(shapes: Shapes) -> Made:
    """Return what a resampler is that begins with a face's embedding and reads the picture's patches."""
    inner, embedding = shape(shapes, "proj.0.weight", 2)
    hidden, read = shape(shapes, "perceiver_resampler.proj_in.weight", 2)
    width = shape(shapes, "perceiver_resampler.proj_out.weight", 2)[0]
    tokens = shape(shapes, "proj.2.weight", 2)[0] // hidden
    config = {
        "embed_dims": hidden,
        "output_dims": width,
        "hidden_dims": read,
        "id_embeddings_dim": embedding,
        "num_tokens": tokens,
        "ffproj_ratio": inner // embedding,
        **layers_of(shapes, "perceiver_resampler.layers.", hidden),
    }
    return Made(config, tokens, width, read, embedding)


def layers_of(shapes: Shapes, stem: str, hidden: int) -> dict[str, Any]:
    """Return a resampler's depth, heads and how much wider its layers are within."""
    return {
        "depth": count(shapes, stem),
        "heads": max(shape(shapes, f"{stem}0.0.to_q.weight", 2)[0] // HEAD, 1),
        "ffn_ratio": shape(shapes, f"{stem}0.1.1.weight", 2)[0] / hidden,
    }


def resampler_names(shapes: Shapes, stem: str = "") -> Names:
    """Return the names of a resampler that stands behind `stem`."""
    names = dict(ENDS)
    for layer in range(count(shapes, f"{stem}layers.")):
        names |= inside(f"layers.{layer}.", f"layers.{layer}.", RESAMPLER_LAYER)
    return inside(stem, "", names)


def names(left: Mapping[str, str]) -> Callable[[Shapes], Names]:
    """Return a function that returns a table, whatever the shapes."""
    made = table(left)
    return lambda _: made


FEED = {"proj.0.": "ff.net.0.proj.", "proj.2.": "ff.net.2."}
BEGIN = table({"proj.0.": "proj.net.0.proj.", "proj.2.": "proj.net.2.", "norm.": "norm."})
KINDS: dict[str, Kind] = {
    "plain": Kind(
        "IP-Adapter",
        ("proj.weight", "norm.weight"),
        "ImageProjection",
        "projection",
        names({"proj.": "image_embeds.", "norm.": "norm."}),
        plain,
    ),
    "full": Kind(
        "IP-Adapter full-face",
        ("proj.0.weight", "proj.3.weight"),
        "IPAdapterFullImageProjection",
        "states",
        names({**FEED, "proj.3.": "norm."}),
        full,
    ),
    "face plus": Kind(
        "IP-Adapter FaceID plus",
        ("proj.0.weight", "perceiver_resampler.proj_in.weight"),
        "IPAdapterFaceIDPlusImageProjection",
        "states",
        lambda shapes: BEGIN | resampler_names(shapes, "perceiver_resampler."),
        face_plus,
    ),
    "face": Kind(
        "IP-Adapter FaceID",
        ("proj.0.weight", "norm.weight"),
        "IPAdapterFaceIDImageProjection",
        "",
        names({**FEED, "norm.": "norm."}),
        face,
    ),
    "plus": Kind(
        "IP-Adapter plus",
        ("latents", "proj_in.weight"),
        "IPAdapterPlusImageProjection",
        "states",
        resampler_names,
        plus,
    ),
}
