"""Preprocessors that look at a picture with networks of their own: poses, soft edges, drawings, depth, segments.

Beside them `hint_of` leads to those by arithmetic too, so that callers know one way. Which control model reads a hint
is not known here, and neither is who keeps the networks: that is a Readers object's owner.
"""

from easel.models.readers import depths, drawings, edges, lines, poses, segments
from easel.models.readers.files import Readers
from easel.models.readers.needs import Need
from easel.models.readers.registry import all_preprocessors, hint_of, learned, preprocessor_named

__all__ = ["Need", "Readers", "all_preprocessors", "hint_of", "learned", "preprocessor_named"]

registering = (edges, drawings, lines, depths, segments, poses)
