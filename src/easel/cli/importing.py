"""`easel models import-folder`: another program's models, used where they stand. Copies nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.cli.endings import say
from easel.core.errors import BadValue, StorageError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Of A1111, Forge, ComfyUI, InvokeAI, or any other.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a line of JSON instead.")]


def import_folder(folder: Folder, as_json: AsJson = False) -> None:
    """Use the models of another program where they stand: adds its folder to `model_folders` in the settings file."""
    import os

    from easel.core.settings import read_settings, settings_file
    from easel.models.library.kinds import KINDS
    from easel.models.library.places import scan_program
    from easel.models.library.programs import program_of

    root = folder.expanduser().absolute()
    if not root.is_dir():
        raise BadValue("FOLDER", str(folder), "a folder that exists")
    read_settings()  # a settings file that cannot be read is told before it is touched
    counts = Counter(found.kind for found in scan_program(root))
    if not counts:
        raise BadValue("FOLDER", str(folder), "a folder with models", remedy="name that of the program, or its models")
    file = settings_file()
    added = add_folder(file, root)
    facts = {"folder": str(root), "program": program_of(root), "added": added, "settings": str(file), "found": counts}
    if as_json:
        from easel.cli.display import json_line

        print(json_line(facts))
    else:
        print(f"{root}{f' is a folder of {program_of(root)}' if program_of(root) else ''}:")
        for kind in KINDS:
            if counts[kind]:
                print(f"  {counts[kind]:>6,} {KINDS[kind].words}{'s' if counts[kind] > 1 else ''}")
        print(
            f"{'Added to' if added else 'Stands already in'} {file}. Nothing is copied; `easel models list` lists them."
        )
    if os.environ.get("EASEL_MODEL_FOLDERS"):
        say("note: EASEL_MODEL_FOLDERS is set and wins over the settings file.")


def add_folder(file: Path, root: Path) -> bool:
    """Add a folder to `model_folders` of the settings file, which keeps its comments; return whether it was not there.

    Raises StorageError where the file cannot be written.
    """
    import os
    import tempfile

    import tomlkit

    try:
        document = tomlkit.parse(file.read_text(encoding="utf-8")) if file.is_file() else tomlkit.document()
        folders = folders_in(document)
        if any(same(Path(known), root) for known in folders):
            return False
        folders.append(str(root))
        document["model_folders"] = folders
        target = file.resolve()  # a link to a file that is kept elsewhere stays one
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with open(handle, "w", encoding="utf-8", newline="") as opened:
                opened.write(tomlkit.dumps(document))
            os.chmod(temporary, target.stat().st_mode & 0o777 if target.exists() else 0o644)
            os.replace(temporary, target)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{file}: cannot be written ({error.strerror or error}).") from None
    return True


def folders_in(document: TOMLDocument) -> Any:
    """Return the array of `model_folders` as it stands in the file, a new one where there is none."""
    import os

    import tomlkit

    known = document.get("model_folders", ())
    if isinstance(known, str):  # folders joined as in PATH are allowed there too
        known = [part for part in known.split(os.pathsep) if part]
    elif known:
        return known
    made = tomlkit.array()
    made.extend(known)
    return made


def same(known: Path, root: Path) -> bool:
    """Return whether two paths are one folder."""
    try:
        return known.expanduser().samefile(root)
    except OSError:
        return known.expanduser() == root
