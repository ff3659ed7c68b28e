"""Names of textual inversion embeddings in a prompt: bare, as A1111 writes them, or ComfyUI's "embedding:name".

It finds names among those it is given. It does not know files or vectors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

COMFY = re.compile(r"\bembedding:([^\s,:()\[\]<>|]{1,200}+)", re.IGNORECASE)


def embeddings_in(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the embeddings that a prompt names: of `known` those that stand in it as words, in any case, the longest
    first; and whatever "embedding:" names.
    """
    found = [match.removesuffix(".pt").removesuffix(".safetensors") for match in COMFY.findall(text)]
    folded = text.casefold()
    for name in sorted(known, key=len, reverse=True):
        if name.casefold() in folded and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
            found.append(name)
    return tuple(dict.fromkeys(found))
