"""Tiny models and a picture tower as fixtures."""

from tests.adapters.pictures.loaded import model as model
from tests.adapters.pictures.loaded import tower as tower
