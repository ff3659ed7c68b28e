"""Bodies of calls, with what every test of them needs, and the requests that they mean."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from easel.api.a1111.chosen import asked
from easel.api.a1111.wire import ImageToImage, TextToImage
from easel.core.request import Request


def picture(size: tuple[int, int] = (64, 48), mode: str = "RGB", colour: Any = 90) -> str:
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def text(**fields: Any) -> Request:
    return asked(TextToImage(**{"prompt": "a fox", "seed": 7, **fields})).requests[0]


def image(**fields: Any) -> Request:
    return asked(ImageToImage(**{"prompt": "a fox", "seed": 7, "init_images": [picture()], **fields})).requests[0]
