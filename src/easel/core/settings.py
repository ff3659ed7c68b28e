"""What a person sets once for the whole house: folders, device, precision.

Read from the environment (EASEL_MODELS=...), then from a TOML file, then the defaults below; doors may override.
A request's own fields are never here.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from tomllib import TOMLDecodeError
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from easel.core.amounts import amount
from easel.core.errors import BadValue
from easel.core.values import translated

# packed: what the file has in few bits, float8 too, stays so, all else becomes full numbers; stored: halves of another
# format stay too, mapped on a processor, and are cast at each forward; cast: full numbers all; float8_*: the
# full weights of denoisers and of T5 are rounded to float8. With packed and float8_*, autoencoders and CLIPs on a
# processor are as with stored, elsewhere as with packed.
Weights = Literal["packed", "stored", "cast", "float8_e4m3", "float8_e5m2"]
# off: forwards as they are; whole, regions: torch.compile of denoisers and decoders as one or by their repeated blocks,
# at the first forward of each shape; auto: on a card whole and meanwhile as they are, elsewhere off.
Compile = Literal["off", "auto", "whole", "regions"]
EIGHT_BITS: tuple[Weights, ...] = ("float8_e4m3", "float8_e5m2")


def settings_file() -> Path:
    """Return where the settings file stands: EASEL_SETTINGS, or easel.toml in the user's configuration folder."""
    named = os.environ.get("EASEL_SETTINGS")
    if named:
        return Path(named)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "easel" / "easel.toml"


def readable(text: str) -> str:
    """Return an amount of memory as it was written. Raises ValueError where nobody can read it."""
    amount(text)
    return text


def readable_or_all(text: str) -> str:
    """Return an amount as it was written; nothing and 0 stand for all there is. Raises ValueError."""
    return text if text.strip() in ("", "0") else readable(text)


class Settings(BaseSettings):
    """The house's settings.

    models: folder of the user's own models. model_folders: folders of other programs whose models are used where they
    stand, in the environment joined as in PATH. outputs: folder for pictures. wildcards: folder of lists that stand for
    __name__ in prompts. styles: A1111's file of named prompts. device: where forwards run.
    precision: number format of the weights; auto is bfloat16 where the processor has it, else float32.
    threads: processor threads for forwards, 0 for all. answer_mkl: whether MKL is told that an AMD processor is as good
    as Intel's, see models/vendor.py. fused: whether a processor joins the passes of layers, see models/cpu/.
    compile: what of a model is compiled, see Compile. graphs: whether a card's forwards are recorded and replayed.
    overlap: whether a card decodes pictures beside other pictures' steps.
    max_rows: rows of one forward at most.
    weights: how the weights of models are kept, see Weights.
    keep_days, keep_bytes: how long a server keeps jobs that have ended, and how much of their pictures; 0 and nothing
    keep all. running_each: how many jobs of one user a server runs at once at most, 0 for any number.
    vram: what Easel may take of a graphics card's memory, ram: what loaded models may take of the machine's, both as
    core/amounts.py reads them.
    """

    model_config = SettingsConfigDict(env_prefix="EASEL_", frozen=True, extra="forbid")

    models: Path = Path("models")
    model_folders: Annotated[tuple[Path, ...], NoDecode] = ()
    outputs: Path = Path("outputs")
    wildcards: Path = Path("wildcards")
    styles: Path = Path("styles.csv")
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    threads: int = Field(default=0, ge=0, le=1024)
    answer_mkl: bool = True
    fused: bool = True
    compile: Compile = "auto"
    graphs: bool = True
    overlap: bool = True
    max_rows: int = Field(default=64, ge=1, le=4096)
    weights: Weights = "packed"
    keep_days: float = Field(default=0, ge=0, le=36_500)
    keep_bytes: Annotated[str, AfterValidator(readable_or_all)] = Field(default="", coerce_numbers_to_str=True)
    running_each: int = Field(default=0, ge=0, le=100_000)
    vram: Annotated[str, AfterValidator(readable)] = "auto"
    ram: Annotated[str, AfterValidator(readable)] = "auto"

    @field_validator("model_folders", mode="before")
    @classmethod
    def apart(cls, value: object) -> object:
        """Return the folders of one text, as the environment has them, as several."""
        return tuple(part for part in value.split(os.pathsep) if part) if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources in order of precedence: arguments, environment, file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, settings_file())


CHOSEN: ContextVar[Mapping[str, object]] = ContextVar("settings chosen for one command", default=MappingProxyType({}))


@contextmanager
def choosing(**given: object) -> Generator[None]:
    """Let settings win over environment and file for as long as the context lasts; None leaves them as they are."""
    token = CHOSEN.set({**CHOSEN.get(), **{name: value for name, value in given.items() if value is not None}})
    try:
        yield
    finally:
        CHOSEN.reset(token)


def read_settings(**given: object) -> Settings:
    """Return the settings in force; `given` wins over environment and file. Raises BadValue or UnknownName."""
    named = os.environ.get("EASEL_SETTINGS")
    if named and not Path(named).is_file():
        raise BadValue("EASEL_SETTINGS", named, "a file that exists")
    try:
        return Settings(**{**CHOSEN.get(), **given})  # type: ignore[arg-type]
    except ValidationError as error:
        raise translated(error.errors()[0], tuple(Settings.model_fields), kind="setting", before="setting ") from None
    except (TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BadValue("settings file", str(settings_file()), "a readable TOML file", remedy=str(error)) from None
