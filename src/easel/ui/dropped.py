"""A picture as people drop it: its file, untouched, so that what it says of its making is still in it.

Gradio's own picture opens the file, and forgets its metadata or fails on what is no picture; here whoever reads it
says in our words what is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache

from easel.core.errors import BadValue


def dropped(label: str, **options: Any) -> gr.Image:
    """Make a field for a picture, whose value is the path of its file, None where there is none."""
    made = gr.Image(
        label=label,
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        buttons=["fullscreen"],
        alt_text=label,
        **options,
    )
    made.preprocess = unopened  # type: ignore[method-assign]  # a class of our own would write a file beside this one
    return made


def unopened(payload: Any) -> str | None:
    """Return where the file that was dropped stands."""
    return payload.path if payload else None


def bytes_of(path: str | None, what: str) -> bytes:
    """Return the bytes of a dropped file. Raises BadValue where nothing was dropped, naming `what`."""
    if not path:
        raise BadValue(what, None, "a picture's file")
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadValue(what, Path(path).name, f"a file that can be read ({error.strerror or error})") from None


def shown_in(component: gr.Image | gr.Gallery, picture: Path) -> str:
    """Return where a copy of a picture of the album stands that a widget may show."""
    return save_file_to_cache(str(picture), cache_dir=component.GRADIO_CACHE)


def as_link(file: bytes, longest: int = 1024) -> str:
    """Return a picture's file as an address that holds it, made small enough for a page. Raises BadValue."""
    import base64
    import io

    from easel.media.reading import flat, open_image

    image = flat(open_image(file, "picture"))
    image.thumbnail((longest, longest))
    made = io.BytesIO()
    image.save(made, "WEBP", quality=90)
    return f"data:image/webp;base64,{base64.b64encode(made.getvalue()).decode()}"
