"""Floor 4: recipes, each the story of one kind of request, told as a generator of work.

A recipe knows a request and a model's verbs; it does not know devices, batching or who else is being served.
"""

from easel.recipes import detail as detail
from easel.recipes import image_to_image as image_to_image
from easel.recipes import inpaint as inpaint
from easel.recipes import outpaint as outpaint
from easel.recipes import process as process
from easel.recipes import text_to_image as text_to_image
from easel.recipes import tiled_upscale as tiled_upscale
from easel.recipes.common import recipes as recipes
