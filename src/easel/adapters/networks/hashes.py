"""The hash by which people name an extra network in infotext: "Lora hashes", 12 hex digits.

Of a safetensors file it is the hash of its tensors alone, so that editing the words in its header leaves it as it is;
kohya's trainer writes it into the header, and that counts where it is there. Of a pickle it is that of the whole file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from easel.models.files.pickled import is_pickled

SHOWN = 12  # hex digits
WRITTEN = "sshs_model_hash"  # kohya's
HEX = re.compile(r"[0-9a-f]{12,64}")


def network_hash(file: Path, metadata: Mapping[str, str]) -> str:
    """Return the hash of a network's file, empty where it cannot be read."""
    said = metadata.get(WRITTEN, "").lower()
    if HEX.fullmatch(said):
        return said[:SHOWN]
    try:
        with file.open("rb") as opened:
            if not is_pickled(file):
                opened.seek(8 + int.from_bytes(opened.read(8), "little"))
            return hashlib.file_digest(opened, "sha256").hexdigest()[:SHOWN]
    except OSError:
        return ""
