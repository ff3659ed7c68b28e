"""What a picture shows, cut out of its background: by arithmetic before a flat one, or by a network from a file.

Gives masks and pictures; what becomes of them is not known here.
"""

from easel.models.cutout.learned import LOOKS, background_remover, remover_file
from easel.models.cutout.masks import FLAT, all_backgrounds, mask_of
from easel.models.cutout.placing import cut_out

__all__ = ["FLAT", "LOOKS", "all_backgrounds", "background_remover", "cut_out", "mask_of", "remover_file"]
