"""Which models there are, by name.

Listing reads no weights and imports no torch. Names are folders and single files under the models folder and those of
other programs, "starter" for the embedded model, or a path.
"""

from __future__ import annotations

from pathlib import Path

from easel.core.errors import BadValue, Incomplete, ModelError, UnknownName
from easel.core.settings import Settings
from easel.models.identify import Identity, identify, is_model
from easel.models.places import find_models, named

EMBEDDING_FILES = (".pt", ".bin", ".safetensors", ".png", ".webp")
STARTER = Path(__file__).parent.parent / "starter" / "model"


class Library:
    """The models a house knows. One instance per engine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def places(self) -> dict[str, Path]:
        """Return where each known model stands, by name."""
        places = {"starter": STARTER} if is_model(STARTER) else {}
        found = find_models(self._settings.models, self._settings.model_folders)
        return {**found, **places}

    def identities(self) -> tuple[list[Identity], list[ModelError]]:
        """Return what can be used, and for each folder or file that cannot the reason."""
        usable: list[Identity] = []
        broken: list[ModelError] = []
        for name, path in self.places().items():
            try:
                identity = identify(path, name)
                if identity.missing:
                    raise Incomplete(f"{path}: has no {', no '.join(identity.missing)}; needed is a whole checkpoint.")
                usable.append(identity)
            except ModelError as error:
                broken.append(error)
        return usable, broken

    def where(self, name: str) -> tuple[Path, str]:
        """Return the place and the shown name of the model called `name`, or at the path `name`; reads no files.

        A name may have its ending, and go without its folder where no other model is called so. Raises UnknownName, or
        BadValue where several are.
        """
        places = self.places()
        meant = [name] if name in places else named(places, name)
        if len(meant) > 1:
            raise BadValue("model", name, f"a name that one model has; there are {', '.join(meant)}")
        if meant:
            return places[meant[0]], meant[0]
        path = Path(name).expanduser()
        if (name.startswith(".") or len(path.parts) > 1) and path.exists():
            return path, path.stem if path.is_file() else path.resolve().name
        raise UnknownName("model", name, tuple(places), listing="`easel models list`")

    def find(self, name: str) -> Identity:
        """Return the identity of the model called `name`, or at the path `name`. Raises UnknownName or ModelError."""
        return identify(*self.where(name))

    def embeddings(self) -> tuple[str, ...]:
        """Return the names of the textual inversion files in the folder "embeddings" of the models folder."""
        folder = self._settings.models / "embeddings"
        files = folder.rglob("*") if folder.is_dir() else ()
        return tuple(sorted(file.stem for file in files if file.suffix.casefold() in EMBEDDING_FILES))
