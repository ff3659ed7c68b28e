"""The table of `easel models ...`, each imported when it is called."""

from __future__ import annotations

from typing import ClassVar

from easel.cli.commands import Commands, Table
from easel.cli.layout import group

# name: (module, what in it, what the list of commands says of it)
MODELS: Table = {
    "list": ("modellist", "list_models", "List models, LoRAs and all else that stands in the model folders."),
    "info": ("modelfiles", "info", "Show what a model or another file of the list is, and what its maker wrote."),
    "identify": ("modelfiles", "identify", "Say what a file or folder is, from its header alone."),
    "hash": ("modelfiles", "hashes", "Print the hash of a model, as A1111 and Civitai show it."),
    "import-folder": ("importing", "import_folder", "Use the models of another program where they stand."),
    "download": ("download", "download", "Fetch a model from Hugging Face, Civitai or a link."),
    "login": ("download", "login", "Keep a token of Hugging Face or Civitai in the keyring."),
    "convert": ("convert", "convert", "Write a checkpoint as one file or as a folder, or in other numbers."),
    "merge": ("merge", "merge", "Mix checkpoints into a new one."),
    "samplers": ("registries", "list_samplers", "List samplers: other names, default schedule, options."),
    "schedules": ("registries", "list_schedules", "List schedules: other names, options."),
    "upscalers": ("registries", "list_upscalers", "List upscalers: whether they enlarge latents or pixels."),
}


class ModelCommands(Commands):
    """The group of commands about models."""

    table: ClassVar[Table] = MODELS


app = group("List, describe, fetch, convert and merge models; list samplers and the like.", ModelCommands)
