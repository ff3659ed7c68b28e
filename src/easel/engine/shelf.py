"""What is loaded: models, networks and embeddings by name, each read once and kept while there is room.

Knows where names stand through a Library and who reads which kind; knows no runs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from easel.core.errors import Mismatch
from easel.core.settings import Settings
from easel.core.work import Wanted
from easel.engine import leading
from easel.engine.loaded import LoadedNetwork, embeddings_of
from easel.models.library.kinds import CHECKPOINT, KINDS
from easel.models.library.names import Library
from easel.post import loading
from easel.prompt.embeddings import embeddings_in

if TYPE_CHECKING:
    from easel.adapters.embedding import Embedding
    from easel.engine.wardrobe import Wardrobe
    from easel.models.accelerate import Machine
    from easel.models.autoencoder import Autoencoder
    from easel.models.family import Model
    from easel.models.layouts.identify import Identity
    from easel.models.layouts.sources import Source
    from easel.models.readers import Readers

OWN = "none"  # said of a VAE: the model's own, even where one stands beside it
SMALL = 32  # networks, embeddings and autoencoders kept of each
LED_SHARE = 3  # of the memory for models, what leads them and what finishes pictures may take this part each

Place = tuple[Path, tuple[tuple[str, Path], ...]]  # a model's file or folder, and those of parts that others lend it
Stamp = tuple[Path, int, int]  # a file as it was: its size and time of change
Key = TypeVar("Key")
Value = TypeVar("Value")


class Shelf:
    """Loaded things by what was wanted. One instance per engine, used by its thread alone but for `check`."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self.library = library
        self._settings = settings
        self._machine: Machine | None = None
        self._models: dict[Place, Model] = {}  # the most recently used last
        self._found: dict[Wanted, Place] = {}  # where wanted ones stood when they were loaded
        self._autoencoders: OrderedDict[tuple[Stamp, str], Autoencoder] = OrderedDict()
        self._networks: OrderedDict[tuple[Stamp, Wanted], LoadedNetwork] = OrderedDict()
        self._embeddings: OrderedDict[Stamp, Embedding] = OrderedDict()
        self._finishing: OrderedDict[tuple[Stamp, str], Any] = OrderedDict()
        self._leading: OrderedDict[tuple[Stamp, str], Any] = OrderedDict()

    def check(self, wanted: Wanted) -> None:
        """Raise UnknownName, BadValue or ModelError where something wanted cannot be loaded; reads no weights."""
        match wanted.kind:
            case "model":
                self.library.find(wanted.name)
                for part, name in lending(wanted):
                    self.library.find_file(part, name)
            case "network":
                self.library.find_file("lora", wanted.name)
            case kind if kind in leading.LOADED:
                leading.file_of(wanted, self.library)
            case "preprocessor":
                self._check_preprocessor(wanted.name)
            case "background":
                from easel.models.cutout import remover_file

                remover_file(wanted.name, self.library)
            case kind if kind in loading.LOADED:
                loading.file_of(wanted, self.library)
            case _:
                self._embedding_files(wanted.name)

    def load(self, wanted: Wanted) -> Any:
        """Return something wanted, reading it at its first use. Raises UnknownName, BadValue or ModelError."""
        if wanted.kind in loading.LOADED:
            return self.finishing(wanted)
        if wanted.kind in leading.LOADED:
            return self.leading(wanted)
        if wanted.kind in ("preprocessor", "background"):
            return self.readers
        return {"model": self.model, "network": self.network, "hash": self.hash}[wanted.kind](wanted)

    def model(self, wanted: Wanted) -> Model:
        """Return a model; one whose files are still there is not looked up again.

        Those least recently used are forgotten where all would not fit the memory that the settings allow.
        """
        from easel.models.layouts.identify import identify
        from easel.models.memory.moving import weights_of

        place = self._found.get(wanted)
        if place is None or place not in self._models or not all(map(Path.exists, files_of(place))):
            path, shown = self.library.where(wanted.name)
            place = path, self._lent(path, wanted)
            if place not in self._models:
                identity = identify(path, shown)
                self._forget_for(identity.size)
                model = self._loaded(identity, place)
                self._forget_for(weights_of(model.parts.values()))  # numbers may have become wider than in the file
                self._models[place] = model
            self._found[wanted] = place
        self._models[place] = self._models.pop(place)
        return self._models[place]

    def network(self, wanted: Wanted) -> LoadedNetwork:
        """Return an extra network as a tag asks for it."""
        from easel.adapters.networks.reading import read_network, shortened

        def read() -> LoadedNetwork:
            options = dict(wanted.options)
            network = read_network(file)
            if "rank" in options:
                network = shortened(network, int(options["rank"]))
            return LoadedNetwork(wanted.name, network, options.get("blocks", ""), embeddings_of(network))

        file = self.library.find_file("lora", wanted.name)
        return kept(self._networks, (stamp(file), wanted), read)

    def finishing(self, wanted: Wanted) -> Any:
        """Return what post-processing wants: an upscaler, a restorer or a detector of faces."""
        file = loading.file_of(wanted, self.library)
        key = stamp(file), wanted.kind
        return self._kept_small(self._finishing, key, lambda: loading.load(wanted, file, self.machine))

    def leading(self, wanted: Wanted) -> Any:
        """Return what leads pictures beside words: a control model, an image prompt, its reader, motion."""
        file = leading.file_of(wanted, self.library)
        key = stamp(file), wanted.kind
        return self._kept_small(self._leading, key, lambda: leading.load(wanted, file, self.machine))

    def _kept_small(
        self, things: OrderedDict[tuple[Stamp, str], Any], key: tuple[Stamp, str], make: Callable[[], Any]
    ) -> Any:
        """Return a thing by its file, made where it is not there.

        Those least recently used are forgotten where all would take more than a share of the memory for models.
        """
        from easel.models.accelerate import ram_budget
        from easel.models.memory.residency import leaving

        if key not in things:
            sizes = {other: other[0][1] for other in things}
            for gone in leaving(sizes, key[0][1], ram_budget(self._settings.ram) // LED_SHARE):
                del things[gone]
        return kept(things, key, make)

    @cached_property
    def readers(self) -> Readers:
        """Who keeps the networks of preprocessors."""
        from easel.models.readers import Readers

        return Readers(self.library, self.machine)

    def hash(self, wanted: Wanted) -> str:
        """Return the first ten hex digits of a file's SHA-256; it is read for that once."""
        from easel.models.library.hashing import WeightsHash

        ((_, kind),) = wanted.options
        return WeightsHash([self.library.find_file(kind, wanted.name)]).short

    def embeddings(self, text: str) -> tuple[Embedding, ...]:
        """Return the embeddings that a text names. Raises UnknownName, BadValue or ModelError."""
        from easel.adapters.embedding import read_embedding

        files = self._embedding_files(text)
        return tuple(kept(self._embeddings, stamp(file), lambda file=file: read_embedding(file)) for file in files)

    @property
    def machine(self) -> Machine:
        """Where all that is loaded runs. Raises ResourceError where the device is not there."""
        from easel.models.accelerate import machine_for

        if self._machine is None:
            self._machine = replace(machine_for(self._settings), wardrobe=self.wardrobe, embeddings=self.embeddings)
        return self._machine

    @cached_property
    def wardrobe(self) -> Wardrobe:
        """Who puts networks on the parts of all models."""
        from easel.engine.wardrobe import Wardrobe

        return Wardrobe()

    def _embedding_files(self, text: str) -> list[Path]:
        names = embeddings_in(text, self.library.embeddings())
        return [self.library.find_file("embedding", name) for name in names]

    def _check_preprocessor(self, name: str) -> None:
        """Raise Unsupported where a file that a preprocessor reads is not there."""
        from easel.models.readers import Readers, preprocessor_named

        for need in preprocessor_named(name).facts.get("needs", ()):
            Readers(self.library).file(need)

    def _lent(self, path: Path, wanted: Wanted) -> tuple[tuple[str, Path], ...]:
        """Return the files that lend a model parts; without a word on the VAE, NAME.vae.* beside it, A1111's habit."""
        lent = [(part, self.library.find_file(part, name)) for part, name in lending(wanted)]
        if path.is_file() and not any(part == "vae" for part, _ in wanted.options):
            beside = (path.with_name(f"{path.stem}.vae{ending}") for ending in KINDS["vae"].endings)
            lent += [("vae", file) for file in beside if file.is_file()][:1]
        return tuple(lent)

    def _loaded(self, identity: Identity, place: Place) -> Model:
        """Return a model from its files. One that only lacks nothing but takes another VAE shares all else."""
        from easel.models.family import load
        from easel.models.layouts.lending import with_parts
        from easel.models.layouts.sources import source_of

        path, lent = place
        if [part for part, _ in lent] == ["vae"] and not identity.missing and identity.kind == CHECKPOINT:
            base = self._models.get((path, ())) or load(identity, self._settings, machine=self.machine)
            self._models[path, ()] = base
            return base.replaced(vae=self._autoencoder(lent[0][1], source_of(identity)))
        source = source_of(identity)
        for part, file in lent:
            source = with_parts(source, dict.fromkeys(lent_as(part, file, source), source_at(file)))
        return load(identity, self._settings, source=source, machine=self.machine)

    def _autoencoder(self, file: Path, source: Source) -> Autoencoder:
        """Return the autoencoder of a file for a model's family."""
        from easel.models.autoencoder import load_autoencoder
        from easel.models.layouts.lending import with_parts

        lent = with_parts(source, {"vae": source_at(file)})
        return kept(self._autoencoders, (stamp(file), source.family), lambda: load_autoencoder(lent, self.machine))

    def _forget_for(self, coming: int) -> None:
        """Forget models until `coming` bytes of weights fit beside those that stay."""
        from easel.models.accelerate import ram_budget
        from easel.models.cpu.convolutions import laid_out
        from easel.models.memory.moving import weights_of
        from easel.models.memory.residency import leaving

        sizes = {place: weights_of(model.parts.values()) for place, model in self._models.items()}
        for place, model in self._models.items():
            sizes[place] += sum(map(laid_out, model.parts.values()))
        for place in leaving(sizes, coming, ram_budget(self._settings.ram)):
            del self._models[place]

    def rest(self) -> None:
        """Give back the memory that forwards have left; called when there has been nothing to do for a while."""
        if self._models:
            from easel.models.memory.malloc import give_back_memory

            self.machine.restore()
            self.wardrobe.rest()
            give_back_memory()

    def close(self) -> None:
        """Forget what is loaded."""
        self.__dict__.pop("readers", None)
        others = (self._networks, self._embeddings, self._finishing, self._leading)
        for things in (self._models, self._found, self._autoencoders, *others):
            things.clear()


def lending(wanted: Wanted) -> list[tuple[str, str]]:
    """Return the parts of a model that other files lend, and what these are called."""
    return [(part, name) for part, name in wanted.options if (part, name.casefold()) != ("vae", OWN)]


def files_of(place: Place) -> list[Path]:
    """Return the files and folders that a model was read from."""
    return [place[0], *(file for _, file in place[1])]


def stamp(file: Path) -> Stamp:
    """Return what tells that a file is still the one that was read."""
    stat = file.stat()
    return file, stat.st_size, stat.st_mtime_ns


def source_at(file: Path) -> Source:
    """Return where the parts of a file or folder come from."""
    from easel.models.layouts.identify import identify
    from easel.models.layouts.sources import source_of

    return source_of(identify(file))


def lent_as(part: str, file: Path, source: Source) -> list[str]:
    """Return which parts of a model a file lends, by diffusers' names. Raises Mismatch where it has none that fits.

    part: what it was given as; a file of text encoders may be an autoencoder too, as Forge lists both together.
    """
    from easel.models.layouts.lending import parts_to_lend

    able = parts_to_lend(source_at(file), source)
    homes = {"vae": ("vae",), "denoiser": ("unet", "transformer")}.get(part)
    found = [one for one in able if one in homes] if homes else [one for one in able if one.startswith("text_encoder")]
    if not found and part == "text_encoder" and able == ("vae",):
        found = ["vae"]
    if not found:
        family = f"{source.family} {source.variant}".strip()
        raise Mismatch(f"{file}: has no {KINDS[part].words} that a model of {family} reads; give another file.")
    return found


def kept(things: OrderedDict[Key, Value], key: Key, make: Callable[[], Value]) -> Value:
    """Return a thing by its key, made where it is not there; of many the least recently used is forgotten."""
    if key not in things:
        things[key] = make()
        if len(things) > SMALL:
            things.popitem(last=False)
    things.move_to_end(key)
    return things[key]
