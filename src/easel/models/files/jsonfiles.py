"""Objects in the JSON files that stand with models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from easel.core.errors import Incomplete


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; raises Incomplete where it is missing, cut short or not an object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Incomplete(f"{path}: missing; fetch the whole folder again.") from None
    except (OSError, ValueError) as error:
        raise Incomplete(f"{path}: cannot be read as JSON ({error}); fetch the file again.") from None
    if not isinstance(found, dict):
        raise Incomplete(f"{path}: holds no JSON object; fetch the file again.")
    return found
