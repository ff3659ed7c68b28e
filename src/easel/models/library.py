"""Which models there are, by name, and the loaded ones by identity.

Listing reads no weights and imports no torch. Names are folders under the models folder, "starter" for the embedded
model, or a path.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from easel.core.errors import ModelError, UnknownName
from easel.core.settings import Settings
from easel.models.identify import Identity, identify, is_model

if TYPE_CHECKING:
    from easel.models.family import Model

EMBEDDING_FILES = (".pt", ".bin", ".safetensors", ".png", ".webp")
STARTER = Path(__file__).parent.parent / "starter" / "model"


class Library:
    """The models a house knows. One instance per engine; loaded models stay until close()."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loaded: dict[Path, Model] = {}

    def places(self) -> dict[str, Path]:
        """Return where each known model stands, by name."""
        places = {"starter": STARTER} if is_model(STARTER) else {}
        folder = self._settings.models
        for index in sorted(folder.rglob("model_index.json")) if folder.is_dir() else ():
            places.setdefault(index.parent.relative_to(folder).as_posix(), index.parent)
        return places

    def identities(self) -> tuple[list[Identity], list[ModelError]]:
        """Return what can be used, and for each folder that cannot the reason."""
        usable: list[Identity] = []
        broken: list[ModelError] = []
        for name, path in self.places().items():
            try:
                usable.append(identify(path, name))
            except ModelError as error:
                broken.append(error)
        return usable, broken

    def where(self, name: str) -> tuple[Path, str]:
        """Return the folder and the shown name of the model called `name`, or at the path `name`; reads no files.

        Raises UnknownName.
        """
        places = self.places()
        if name in places:
            return places[name], name
        path = Path(name).expanduser()
        if (name.startswith(".") or len(path.parts) > 1) and path.exists():
            return path, path.resolve().name
        raise UnknownName("model", name, tuple(places), listing="`easel models list`")

    def find(self, name: str) -> Identity:
        """Return the identity of the model called `name`, or at the path `name`. Raises UnknownName or ModelError."""
        return identify(*self.where(name))

    def load(self, name: str) -> Model:
        """Return the loaded model called `name`, loading it at its first use; a loaded one is not read again."""
        from easel.models.family import load

        path, shown = self.where(name)
        if path not in self._loaded:
            self._loaded[path] = load(identify(path, shown), self._settings)
        return self._loaded[path]

    def embeddings(self) -> tuple[str, ...]:
        """Return the names of the textual inversion files in the folder "embeddings" of the models folder."""
        folder = self._settings.models / "embeddings"
        files = folder.rglob("*") if folder.is_dir() else ()
        return tuple(sorted(file.stem for file in files if file.suffix.casefold() in EMBEDDING_FILES))

    def rest(self) -> None:
        """Give back the memory that forwards have left; called when there has been nothing to do for a while."""
        if self._loaded:
            from easel.models.memory import give_back_memory

            give_back_memory()

    def close(self) -> None:
        """Forget the loaded models."""
        self._loaded.clear()
