"""Cluster profiles: where jobs run, by name, as `[clusters.NAME]` of the settings.

A profile says how workers are started, or where a scheduler is. Nothing in it can
change a pixel.
"""

from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import SettingsError
from .problems import list_problems

__all__ = [
    "LOCAL",
    "AddressProfile",
    "ClusterProfile",
    "KubernetesProfile",
    "LocalProfile",
    "PbsProfile",
    "SlurmProfile",
    "SshProfile",
    "find_profile",
]

LOCAL: Final = "local"
"""Name of the profile that is there without being set: this machine."""


class _Profile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LocalProfile(_Profile):
    """A cluster on this machine, for the time of a command."""

    kind: Literal["local"] = "local"
    """This machine."""
    slots: int | None = Field(default=None, ge=1)
    """Jobs at a time; by default the setting `slots`."""
    memory_bytes: int | None = Field(default=None, ge=1)
    """Memory for the jobs together; by default the setting `memory_bytes`."""


class AddressProfile(_Profile):
    """A Dask scheduler that is there already, with the workers that others start."""

    kind: Literal["address"]
    """A scheduler by its address."""
    address: str = Field(pattern=r"^(tls|tcp)://[^\s/:]+:\d+$")
    """Where it listens: ``tls://HOST:PORT``."""
    credentials: Path | None = None
    """Folder that `rewebb cluster scheduler` made; by default the credentials of Dask's
    own configuration."""


class _NodesProfile(_Profile):
    """Nodes of one size that Rewebb starts workers on, while there is work."""

    slots: int = Field(ge=1)
    """Jobs at a time of a node, and the processors that are asked for."""
    memory_bytes: int = Field(ge=1 << 30)
    """Memory of a node, of which jobs get 90 % together."""
    idle: timedelta = Field(default=timedelta(minutes=2), ge=timedelta(0))
    """How long a node is kept that has nothing to do."""


class KubernetesProfile(_NodesProfile):
    """Pods of Kubernetes, which the operator of Dask makes; each is a node."""

    kind: Literal["kubernetes"]
    """Kubernetes."""
    nodes: int = Field(default=1, ge=1)
    """Pods of workers at most; there are none while there is nothing to do."""
    image: str = Field(min_length=1)
    """Image of scheduler and workers, by a digest or a tag that does not move."""
    namespace: str | None = None
    """Namespace; by default the one of the pod, or of the kubeconfig."""
    claims: Mapping[str, Path] = {}
    """Persistent volume claims that workers see, and where: those of the command, under
    the same paths."""
    user: int = Field(default=1000, ge=1)
    """User and group of the processes, who own the data folder."""
    node_selector: Mapping[str, str] = {}
    """Labels of the machines that take workers."""
    tolerations: tuple[Mapping[str, str], ...] = ()
    """Taints of machines that workers do not mind."""
    patience: timedelta = Field(default=timedelta(minutes=15), ge=timedelta(0))
    """How long the scheduler may take to come: its image is fetched first."""


class _HostsProfile(_NodesProfile):
    """Nodes on the network of this host, which have what it has."""

    interface: str | None = None
    """Network interface of this host that nodes reach, such as ``ib0``; by default the
    one of its default route."""
    python: str | None = None
    """Python of the nodes; by default the path of the one that runs the command."""


class _BatchProfile(_HostsProfile):
    """Nodes that a batch system gives, each a job with one worker."""

    nodes: int = Field(default=1, ge=1)
    """Nodes at most; there are none while there is nothing to do."""
    walltime: timedelta = Field(ge=timedelta(minutes=1))
    """How long a node stays: ``"08:00:00"``, or days and hours, ``"P2DT12H"``."""
    queue: str | None = None
    """Queue or partition."""
    account: str | None = None
    """Account that pays."""
    prologue: tuple[str, ...] = ()
    """Shell commands before the worker starts, such as ``module load``."""
    directives: tuple[str, ...] = ()
    """Further options of the batch system, such as ``--constraint=rome``."""


class SlurmProfile(_BatchProfile):
    """Nodes of Slurm."""

    kind: Literal["slurm"]
    """Slurm."""


class PbsProfile(_BatchProfile):
    """Nodes of PBS or Torque."""

    kind: Literal["pbs"]
    """PBS."""
    resource_spec: str | None = None
    """What to ask for; by default ``select=1:ncpus=SLOTS:mem=MEMORY``."""


class SshProfile(_HostsProfile):
    """Hosts that `ssh` reaches without a password."""

    kind: Literal["ssh"]
    """By `ssh`."""
    hosts: tuple[Annotated[str, Field(pattern=r"^[^-\s]\S*$")], ...] = Field(
        min_length=1
    )
    """The hosts, ``HOST`` or ``USER@HOST``, each with one worker."""
    options: tuple[str, ...] = ()
    """Options of `ssh`, such as ``-p2222``."""


_KINDS: Final[Mapping[str, type[_Profile]]] = {
    "local": LocalProfile,
    "address": AddressProfile,
    "slurm": SlurmProfile,
    "pbs": PbsProfile,
    "ssh": SshProfile,
    "kubernetes": KubernetesProfile,
}
"""The model of each kind."""


def _parse(value: object) -> object:
    """Parse a profile by the model of its kind, so that only its keys are suggested."""
    if not isinstance(value, Mapping):
        return value
    kind = str(value.get("kind", ""))
    if kind not in _KINDS:
        close = get_close_matches(kind, _KINDS, n=1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        known = ", ".join(_KINDS)
        raise ValueError(f"kind: expected one of {known}, got {kind!r}{hint}")
    model = _KINDS[kind]
    try:
        return model.model_validate(value)
    except ValidationError as error:
        keys = {name: name for name in model.model_fields}
        raise ValueError(list_problems(error, keys)) from None


ClusterProfile = Annotated[
    LocalProfile
    | AddressProfile
    | SlurmProfile
    | PbsProfile
    | SshProfile
    | KubernetesProfile,
    BeforeValidator(_parse),
]
"""A profile of any kind."""


def find_profile(name: str, profiles: Mapping[str, ClusterProfile]) -> ClusterProfile:
    """Find a profile by its name.

    Raises
    ------
    SettingsError
        There is none.
    """
    if name in profiles:
        return profiles[name]
    if name == LOCAL:
        return LocalProfile()
    known = sorted({LOCAL, *profiles})
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise SettingsError(
        f"There is no cluster profile {name!r}: expected one of {', '.join(known)}, or "
        f"a new [clusters.{name}] in your own rewebb.toml.{hint}"
    )
