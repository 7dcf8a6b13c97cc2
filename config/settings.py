"""Settings of a site: files ``rewebb.toml``, and ``REWEBB_*`` variables over them.

One file is in the working directory, the other in the user's own configuration
(``~/.config/rewebb/``); the first is the stronger. But anybody may have left a file in
the folder in which one happens to stand, so it may not say where secrets go and where
code comes from (`PERSONAL`).

An empty variable is as none. ``CRDS_PATH`` and ``CRDS_CONTEXT`` are honoured where
nothing says otherwise. Nothing here can change a pixel that a job makes; what can is in
recipes and contexts. Which jobs stay as they are recorded is in `policy`.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import (
    SettingsError as PydanticSettingsError,
)

from .clusters import LOCAL, ClusterProfile, LocalProfile, find_profile
from .errors import SettingsError
from .faults import Fault, refuse_faults
from .policy import Policy
from .problems import list_problems

__all__ = [
    "PERSONAL",
    "Settings",
    "find_origins",
    "find_user_file",
    "load_settings",
]

_FILE = "rewebb.toml"

PERSONAL: Final = "personal"
"""Marks a setting that a file in the working directory may not have: who sets it is
given a token or a password, gives us code, or fills a cache that others use."""

_PREFIX = "REWEBB_"
"""How the names of our environment variables begin."""


_MOVED: Final = (
    "a scheduler is a cluster profile now: write `[clusters.NAME]`, "
    '`kind = "address"` and `address = "tls://HOST:PORT"` into your own rewebb.toml '
    "(or REWEBB_CLUSTERS), and name it with --cluster NAME or `cluster`"
)
"""What is said of `scheduler`, which was a setting."""


def _to_text(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


class Settings(BaseSettings):
    """Settings of a site, all with defaults that work on one machine."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
    )

    data_dir: Path = Path("rewebb-data")
    """Folder for store, runs and the embedded database; on one file system."""
    database_url: Annotated[str | None, PERSONAL] = None
    """SQLAlchemy URL; by default an SQLite file in the data folder."""
    archive: Annotated[str, BeforeValidator(_to_text), Field(min_length=1)] | None = (
        None
    )
    """Where exposures come from: ``mast``, the URL of an S3 mirror
    (``s3://stpubdata/jwst/public``), ``sample``, or a folder of any nesting. The
    sample has a CRDS cache and contexts of its own, whatever is set for the rest."""
    mast_url: Annotated[str, PERSONAL] = "https://mast.stsci.edu"
    """Server of MAST."""
    mast_token_block: Annotated[str | None, PERSONAL] = None
    """Prefect Secret block with a token of MAST; ``MAST_API_TOKEN`` is stronger."""
    s3_endpoint: Annotated[str | None, PERSONAL] = None
    """URL of an S3 service other than that of AWS."""
    archive_connections: int = Field(default=4, ge=1, le=32)
    """Requests to an archive at a time."""
    crds_path: Path | None = Field(
        default_factory=lambda: (
            Path(path) if (path := os.environ.get("CRDS_PATH")) else None
        )
    )
    """CRDS cache; by default that of ``CRDS_PATH``."""
    crds_context: str | None = Field(
        default_factory=lambda: os.environ.get("CRDS_CONTEXT") or None
    )
    """CRDS context; by default ``CRDS_CONTEXT``, else the operational one."""
    crds_server_url: Annotated[str | None, PERSONAL] = Field(
        default_factory=lambda: os.environ.get("CRDS_SERVER_URL") or None
    )
    """CRDS server that fills the cache; by default that of ``CRDS_SERVER_URL``, and
    without either the cache is taken as it is."""
    cluster: str = LOCAL
    """Name of the cluster profile that jobs run on."""
    clusters: Annotated[dict[str, ClusterProfile], PERSONAL] = Field(
        default_factory=dict
    )
    """Cluster profiles by name; ``local``, this machine, is always there."""
    slots: int | None = Field(default=None, ge=1)
    """Jobs at a time on this machine; by default the cores that it gives us."""
    memory_bytes: int | None = Field(default=None, ge=1)
    """Memory for the jobs of this machine, together; by default 90 % of what it gives
    us."""
    max_attempts: int = Field(default=4, ge=1)
    """Tries of a job that ran out of memory or was lost with its worker."""
    stall_minutes: float = Field(default=15, gt=0)
    """Time after which a job that uses no processor hangs, and is ended."""
    faults: Annotated[tuple[Fault, ...], AfterValidator(refuse_faults)] = ()
    """What goes wrong in jobs; for tests alone, and refused elsewhere."""
    most_voxels: int = Field(default=300_000_000, ge=1)
    """Voxels of the largest cube that a plan lets a job build."""
    costs_file: Path | None = None
    """File of the costs of jobs on this site, which `rewebb memory fit` writes; by
    default those of the sample programs are used."""
    keep_runs: int = Field(default=3, ge=1)
    """Of each program, runs that succeeded which `rewebb gc` keeps, the newest."""
    remove_kinds: tuple[str, ...] = ()
    """Suffixes of the products that it removes (``rate``); by default all."""
    measure: bool = False
    """Whether a run measures its products when they are made."""
    web_hosts: tuple[str, ...] = ()
    """Names, besides those of this machine itself, that `rewebb web` is called by: it
    answers to no other."""
    web_user_header: Annotated[
        str | None, PERSONAL, Field(pattern=r"^[A-Za-z0-9-]{1,60}$")
    ] = None
    """Header in which a reverse proxy names who has signed in; by default there is no
    sign-in. It takes `web_proxy_secret`."""
    web_proxy_secret: Annotated[SecretStr | None, PERSONAL, Field(min_length=16)] = None
    """What the proxy proves itself with, in the header ``X-Rewebb-Proxy``."""
    compare: bool = True
    """Whether a run compares the spectra that it makes with those made before."""
    pictures: bool = False
    """Whether a run draws its products when they are made; `rewebb report` draws those
    that it lacks."""
    policy: Policy = Field(default_factory=Policy)
    """Which changes make recorded jobs due again, ``[policy]``."""

    def find_profile(self) -> ClusterProfile:
        """Find the profile of the cluster, with what other settings say of it.

        Raises
        ------
        SettingsError
            There is none of its name.
        """
        profile = find_profile(self.cluster, self.clusters)
        if not isinstance(profile, LocalProfile):
            return profile
        return LocalProfile(
            slots=profile.slots or self.slots,
            memory_bytes=profile.memory_bytes or self.memory_bytes,
        )

    @model_validator(mode="before")
    @classmethod
    def _refuse_moved(cls, given: Any) -> Any:
        if isinstance(given, dict) and "scheduler" in given:
            raise ValueError(f"`scheduler` is not a setting any more: {_MOVED}")
        return given

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # signature is given
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, variables, the file here, the user's file."""
        users = find_user_file()
        return (
            init_settings,
            env_settings,
            _FileHere(settings_cls, users),
            TomlConfigSettingsSource(settings_cls, users),
        )


class _FileHere(TomlConfigSettingsSource):
    """The file of the working directory, which has nothing that is personal in it."""

    def __init__(self, settings_cls: type[BaseSettings], users: Path | None) -> None:
        super().__init__(settings_cls, Path(_FILE))
        if self.toml_data and not (users and users.exists() and users.samefile(_FILE)):
            _refuse_personal(self.toml_data, settings_cls, users)


def _refuse_personal(
    given: dict[str, Any], settings_cls: type[BaseSettings], users: Path | None
) -> None:
    """Refuse what only a user may set.

    Raises
    ------
    SettingsError
        The file of the working directory sets it.
    """
    fields = settings_cls.model_fields
    personal = {name for name, field in fields.items() if PERSONAL in field.metadata}
    if refused := sorted(personal & set(given)):
        variables = ", ".join(f"{_PREFIX}{name.upper()}" for name in refused)
        raise SettingsError(
            f"{Path(_FILE).absolute()} sets {', '.join(refused)}, which a file in the "
            "working directory may not: it could send a token or a password away, or "
            f"bring in code. If it is your wish, set {variables}, or write it into "
            f"{users or 'rewebb/rewebb.toml in your configuration folder'}."
        )


def find_user_file() -> Path | None:
    """Return where the user's own file is, or would be; None without a home."""
    folder = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not folder.is_absolute():
        try:
            folder = Path("~/.config").expanduser()
        except RuntimeError:
            return None
    return folder / "rewebb" / _FILE


def load_settings(**given: Path | str | int | None) -> Settings:
    """Load the settings; what is given and not None is stronger than all else.

    Raises
    ------
    SettingsError
        A variable or the file holds what is not a setting.
    """
    kept = {name: value for name, value in given.items() if value is not None}
    _refuse_unknown_variables()
    try:
        return Settings(**kept)  # type: ignore[arg-type]  # pydantic converts and checks
    except ValidationError as error:
        problems = list_problems(error, {name: name for name in Settings.model_fields})
        raise SettingsError(f"The settings cannot be used: {problems}") from error
    except (tomllib.TOMLDecodeError, OSError) as error:
        files = f"{_FILE} here or in your configuration folder"
        raise SettingsError(f"{files} cannot be read: {error}") from error
    except (PydanticSettingsError, ValueError) as error:
        raise SettingsError(f"The settings cannot be used: {error}") from error


def find_origins() -> dict[str, str]:
    """Find where each setting comes from: a variable, a file, or the default.

    Call it once the settings were loaded, which checks variables and files.
    """
    files = [path for path in (Path(_FILE), find_user_file()) if path is not None]
    given = [
        (path, set(tomllib.loads(path.read_text("utf-8"))))
        for path in files
        if path.is_file()
    ]
    return {name: _find_origin(name, given) for name in Settings.model_fields}


def _find_origin(name: str, files: list[tuple[Path, set[str]]]) -> str:
    if os.environ.get(f"{_PREFIX}{name.upper()}"):
        return f"{_PREFIX}{name.upper()}"
    for path, names in files:
        if name in names:
            return str(path.absolute())
    is_of_crds = Settings.model_fields[name].default_factory is not None
    return name.upper() if is_of_crds and os.environ.get(name.upper()) else "default"


def _refuse_unknown_variables() -> None:
    """Refuse variables of our prefix that set nothing, since one thinks they do."""
    if os.environ.get(f"{_PREFIX}SCHEDULER"):
        raise SettingsError(f"{_PREFIX}SCHEDULER is not a setting any more: {_MOVED}")
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields}
    ours = {name for name in os.environ if name.upper().startswith(_PREFIX)}
    if unknown := sorted(name for name in ours if name.upper() not in known):
        raise SettingsError(
            f"{', '.join(unknown)} is not a setting; expected one of "
            f"{', '.join(sorted(known))}."
        )
