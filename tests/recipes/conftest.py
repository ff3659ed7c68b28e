"""Models as fixtures."""

from tests.recipes.starting import starter as starter
from tests.tiny import tiny as tiny
from tests.tiny import tiny_folder as tiny_folder
from tests.tiny import tiny_inpainting as tiny_inpainting
