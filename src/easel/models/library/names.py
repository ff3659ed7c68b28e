"""Which models and companions there are, by name.

Listing reads no weights and imports no torch. Names are folders and single files under the models folder and those of
other programs, "starter" for the embedded model, a path, or the beginning of a file's SHA-256. Loads nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from easel.core.errors import BadValue, Incomplete, ModelError, UnknownName
from easel.core.settings import Settings
from easel.models.layouts.identify import Identity, identify, is_model
from easel.models.library.catalogue import Catalogue
from easel.models.library.hashing import hashed_as
from easel.models.library.index import Row
from easel.models.library.indexing import identity_in
from easel.models.library.kinds import CHECKPOINT, KINDS
from easel.models.library.places import Found, meant_by, names_of, seen_again

STARTER = Path(__file__).parents[2] / "starter" / "model"
FRESH = 2.0  # seconds for which a list may go without looking at every file again; new and lost ones show at once
# What a name may mean too: a model's, one whose other parts stand elsewhere; a control model's, a T2I-Adapter.
ALSO = {CHECKPOINT: ("denoiser",), "controlnet": ("t2i_adapter",)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or diffusers folder in a list. row: what was read of it, None where it is not read yet."""

    kind: str
    name: str
    found: Found
    row: Row | None

    @property
    def path(self) -> Path:
        """Where it stands."""
        return Path(self.found.path)

    def identity(self) -> Identity | None:
        """Return what it is, None where it is not read yet. Raises ModelError where it cannot be recognised."""
        return identity_in(self.row, self.name) if self.row else None


class Library:
    """The models a house knows. One instance per engine; any thread may ask.

    paths: whether a path to a file is a name too; not where strangers ask.
    """

    def __init__(self, settings: Settings, *, paths: bool = True) -> None:
        self._folders = settings.model_folders
        self._paths = paths
        self._catalogue = Catalogue(settings, STARTER if is_model(STARTER) else None)

    def places(self, kind: str = CHECKPOINT) -> dict[str, Path]:
        """Return where each known model, or each file of another kind, stands, by name."""
        return {name: Path(found.path) for name, found in self._named(kind).items()}

    def entries(self, kind: str | None = None, *, within: float | None = 0.0) -> list[Entry]:
        """Return every file of one kind, or of all, in the order of kinds; files are looked at if that is 2 s ago.

        within: seconds for reading what was not read yet or has changed; None for as many as it takes.
        """
        self._catalogue.look(FRESH)
        if within != 0:
            for _ in self.read(within):
                pass
        kinds = tuple(KINDS) if kind is None else (kind,)
        row = self._catalogue.rows().get
        return [Entry(one, name, found, row(found.path)) for one in kinds for name, found in self._named(one).items()]

    def refresh(self) -> None:
        """Look at every folder and file now; reads none."""
        self._catalogue.look(0)

    def read(self, within: float | None = None, kind: str | None = None) -> Iterator[Row]:
        """Read what is not read yet and yield what each file says.

        within: seconds, None for as many as it takes. kind: what stands in folders of one kind alone, None for all.
        """
        unread = [found for found in self._catalogue.unread() if kind in (None, found.kind)]
        if unread:
            yield from self._catalogue.read(unread, None if within is None else monotonic() + within)
            self._catalogue.forget_gone()

    def identities(self) -> tuple[list[Identity], list[ModelError]]:
        """Return what can be used, and for each folder or file that cannot the reason."""
        usable: list[Identity] = []
        broken: list[ModelError] = []
        for _ in self.read(kind=CHECKPOINT):
            pass
        for entry in self.entries(CHECKPOINT):
            try:
                identity = entry.identity()
                if identity is not None and identity.missing:
                    lacks = ", no ".join(identity.missing)
                    raise Incomplete(f"{entry.path}: has no {lacks}; needed is a whole checkpoint.")
                usable += [identity] if identity is not None else []
            except ModelError as error:
                broken.append(error)
        return usable, broken

    def where(self, name: str, kind: str = CHECKPOINT) -> tuple[Path, str]:
        """Return the place and the shown name of the model called `name`, or at the path `name`.

        A name may have its ending, and go without its folder where no other of its kind is called so; what is nobody's
        name may be the first ten digits or more of a SHA-256. Raises UnknownName, or BadValue where several are meant.
        """
        if meant := self._meant(name, kind):
            return Path(meant[1].path), meant[0]
        path = Path(name).expanduser()
        if self._paths and (name.startswith(".") or len(path.parts) > 1) and path.exists():
            return path, path.stem if path.is_file() else path.resolve().name
        hashed = self.by_hash(name, kind)
        if hashed is not None:
            return Path(self._named(kind)[hashed].path), hashed
        listing = "`easel models list`" if kind == CHECKPOINT else f"`easel models list --kind {kind}`"
        known = [one if "/" in name else one.rpartition("/")[2] for one in self._named(kind)]
        raise UnknownName(KINDS[kind].words, name, known, listing=listing)

    def find(self, name: str, kinds: Sequence[str] = (CHECKPOINT,)) -> Identity:
        """Return the identity of the model called `name`, or at the path `name`. Raises UnknownName or ModelError.

        kinds: the kinds of files that may be meant, the likeliest first.
        """
        meant = next((meant for kind in kinds if (meant := self._meant(name, kind))), None)
        hashed = next((hashed for kind in kinds if not meant and (hashed := self.by_hash(name, kind))), None)
        if hashed is not None:
            return self.find(hashed, kinds)
        if meant is None:
            return identify(*self.where(name, kinds[0]))
        found = seen_again(meant[1])
        row = self._catalogue.row(found) or next(self._catalogue.read([found]))
        return identity_in(row, meant[0])

    def find_file(self, kind: str, name: str) -> Path:
        """Return the file of one kind called `name`, or at the path `name`. Raises UnknownName or BadValue.

        kind: a key of kinds.KINDS, such as "lora", "embedding", "vae", "denoiser" or "text_encoder".
        """
        return self.where(name, kind)[0]

    def by_hash(self, digits: str, kind: str = CHECKPOINT) -> str | None:
        """Return the name of the file whose SHA-256 begins so, None where none is known to; computes none.

        digits: ten or more hex digits, as infotext and Civitai's AutoV2 have them.
        """
        return hashed_as(digits, self._named(kind), self._folders)

    def embeddings(self) -> tuple[str, ...]:
        """Return the names of the textual inversion files, without their folders; looks at folders' dates alone."""
        return tuple(sorted({Path(found.path).stem for found in self._named("embedding").values()}))

    def _named(self, kind: str) -> dict[str, Found]:
        """Return the files of one kind by name. Raises UnknownName where there is no such kind."""
        if kind not in KINDS:
            raise UnknownName("kind of file", kind, tuple(KINDS))
        return self._catalogue.named(kind)

    def _meant(self, name: str, kind: str) -> tuple[str, Found] | None:
        """Return what `name` means among the files of a kind, None for nothing. Raises BadValue where it is several.

        A file in the kind's own folder that is something else counts too: whoever reads it tells more than "not known".
        What stands elsewhere and is not read yet is read where it is called so.
        """
        for names in self._groups(kind):
            if meant := meant_by(names, name):
                if len(meant) > 1:
                    raise BadValue(KINDS[kind].words, name, f"a name that one has; there are {', '.join(meant)}")
                return meant[0], names[meant[0]]
        unread = names_of(self._catalogue.unread())
        if called_so := meant_by(unread, name):
            for _ in self._catalogue.read([unread[one] for one in called_so]):
                pass
            return self._meant(name, kind)
        return None

    def _groups(self, kind: str) -> Iterator[Mapping[str, Found]]:
        """Yield by name what a name of one kind may mean, the likeliest first."""
        for one in (kind, *ALSO.get(kind, ())):
            yield self._named(one)
        yield self._catalogue.strangers(kind)
