"""The tiny model as a fixture."""

from tests.tiny import tiny_folder as tiny_folder
