"""Scheduler and workers as pods of Kubernetes, which the operator of Dask makes.

A `DaskCluster` is the scheduler; each node is a `DaskWorkerGroup` of one worker, so
that we choose which one goes. The operator makes deployments and a service of them,
and Kubernetes starts again what ends. All are removed with the `DaskCluster`.

A command that is killed removes nothing. So each marks its `DaskCluster` while it is
there, and the next that opens one removes those that have not been marked for long.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from distributed import Client
from distributed.security import Security

from config.clusters import KubernetesProfile

from ...errors import PlanError
from ...logs import get_logger
from ..cluster import Cluster, connect
from ..credentials import list_credentials
from ..node import MEMORY_SHARE, Node
from ..nodes import Growth
from .kubernetes_objects import (
    CLUSTER_LABEL,
    DASK,
    LABELS,
    NODE_LABEL,
    PORT,
    KubernetesObject,
    make_cluster,
    make_secret,
    make_worker_group,
)
from .own import tend

__all__ = ["open_kubernetes"]

_POLL_S: Final = 2.0
"""How often it is looked after the workers."""

_TIMEOUT_S: Final = 30.0
"""After which a request to Kubernetes has failed."""

_ALIVE: Final = "rewebb/alive-at"
"""Annotation of a cluster: when its command was there, by the clock of Kubernetes."""

_MARK: Final = timedelta(seconds=30)
"""How often a command says that it is there."""

_LEFT: Final = timedelta(minutes=10)
"""After which a cluster is left by its command, if it was not marked."""

_OPERATOR_S: Final = 60.0
"""How long the operator may take to make the service of a scheduler."""

_Answer = TypeVar("_Answer")


@contextmanager
def open_kubernetes(
    profile: KubernetesProfile, *, scratch: Path, security: Security
) -> Iterator[Cluster]:
    """Open a cluster of pods, and remove it.

    Raises
    ------
    PlanError
        Kubernetes refuses or does not answer, or no scheduler comes.
    """
    growth = Growth(
        minimum=0,
        maximum=profile.nodes,
        slots=profile.slots,
        memory_bytes=int(MEMORY_SHARE * profile.memory_bytes),
        idle_s=profile.idle.total_seconds(),
    )
    pods = _Pods(profile, f"rewebb-{uuid.uuid4().hex[:8]}")
    try:
        pods.create_cluster()
        scheduler = pods.find_scheduler()
        node = Node(
            scheduler=scheduler,
            credentials=list_credentials(security),
            host=None,
            slots=growth.slots,
            memory_bytes=growth.memory_bytes,
            local_directory=str(scratch),
            ends_with_parent=False,
        )
        pods.create(make_secret(pods.name, node))
        with (
            closing(pods.wait_for(lambda: connect(scheduler, security))) as client,
            tend(client, pods, growth, prefix="node", poll_s=_POLL_S) as cluster,
        ):
            yield cluster
    finally:
        pods.remove_cluster()


def _find_own_pod(namespace: str) -> KubernetesObject | None:
    """Find the pod of this process, as an owner; only what shares its namespace may be.

    Its name, id and namespace are variables (``fieldRef`` of the downward API).
    """
    name, uid = os.environ.get("POD_NAME"), os.environ.get("POD_UID")
    if not name or not uid or os.environ.get("POD_NAMESPACE") != namespace:
        return None
    return {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}


class _Pods:
    """Creates and removes the objects of a cluster; starts each worker as a group."""

    def __init__(self, profile: KubernetesProfile, name: str) -> None:
        self.name = name
        self._profile = profile
        self._owner: KubernetesObject | None = None
        self._made: Any = None
        self._ahead = timedelta(0)
        self._marked_at = datetime.min.replace(tzinfo=UTC)
        self._alive: frozenset[str] = frozenset()
        self._kr8s = _load_kr8s()
        self._api = self._call(lambda: _make_client(profile.namespace))
        self._classes = {
            "DaskCluster": self._make_class("DaskCluster"),
            "DaskWorkerGroup": self._make_class("DaskWorkerGroup"),
            "Secret": self._kr8s.objects.Secret,
            "Service": self._kr8s.objects.Service,
        }

    def create_cluster(self) -> None:
        """Create the object of the cluster, which owns all others.

        What commands have left that were killed is removed. Kubernetes itself removes
        the cluster with the pod that this process is in, if it is told which that is.

        Raises
        ------
        PlanError
            Kubernetes refuses it, or does not answer.
        """
        self._owner = _find_own_pod(self._api.namespace)
        self._made = made = self.create(make_cluster(self._profile, self.name))
        self._owner = {
            "apiVersion": DASK,
            "kind": "DaskCluster",
            "name": self.name,
            "uid": made.metadata.uid,
        }
        # Clocks of hosts need not agree: that of Kubernetes counts.
        self._ahead = _find_birth(made) - datetime.now(UTC)
        self._mark()
        self._delete("DaskCluster", self._list_left())

    def create(self, spec: KubernetesObject) -> Any:
        """Create an object.

        Raises
        ------
        PlanError
            Kubernetes refuses it, or does not answer.
        """
        if self._owner:
            spec["metadata"]["ownerReferences"] = [self._owner]
        made = self._classes[spec["kind"]](
            spec, namespace=self._api.namespace, api=self._api
        )
        self._call(made.create)
        get_logger().info("kubernetes.created", kind=made.kind, name=made.name)
        return made

    def find_scheduler(self) -> str:
        """Find the address of the scheduler, once the operator has made its service.

        Raises
        ------
        PlanError
            The operator is not there.
        """
        deadline_s = time.monotonic() + _OPERATOR_S
        while not (found := self._list("Service", {CLUSTER_LABEL: self.name})):
            if time.monotonic() > deadline_s:
                raise PlanError(
                    f"Nothing was made of the DaskCluster {self.name} in "
                    f"{_OPERATOR_S:.0f} s: does the operator of Dask run, and does it "
                    f"watch the namespace {self._api.namespace}?"
                )
            self._remark()
            time.sleep(_POLL_S)
        return f"tls://{found[0].spec.clusterIP}:{PORT}"

    def wait_for(self, connect: Callable[[], Client]) -> Client:
        """Connect to the scheduler, once it is there.

        Raises
        ------
        PlanError
            It does not come.
        """
        patience_s = self._profile.patience.total_seconds()
        deadline_s = time.monotonic() + patience_s
        while True:
            try:
                return connect()
            except PlanError as error:
                if time.monotonic() > deadline_s:
                    raise PlanError(
                        f"The scheduler of {self.name} did not come in "
                        f"{patience_s:.0f} s: {error}; see `kubectl describe pods -l "
                        f"{CLUSTER_LABEL}={self.name}`."
                    ) from error
                get_logger().info("kubernetes.waiting", message=str(error))
            self._remark()
            time.sleep(_POLL_S)

    def remove_cluster(self) -> None:
        """Remove the cluster, with all that it owns."""
        if self._owner:
            self._delete("DaskCluster", [self.name])

    def start(self, name: str) -> None:
        """Create the group of a worker.

        Raises
        ------
        PlanError
            Kubernetes refuses it, or does not answer.
        """
        self.create(make_worker_group(self._profile, self.name, name))
        self._alive |= {name}

    def list_alive(self) -> frozenset[str]:
        """List the workers that have a group; their pods start again by themselves."""
        self._remark()
        try:
            groups = self._list("DaskWorkerGroup", {CLUSTER_LABEL: self.name})
        except PlanError as error:  # it is busy
            get_logger().warning("kubernetes.silent", message=str(error))
            return self._alive
        names = (one.labels.get(NODE_LABEL) for one in groups)
        self._alive = frozenset(name for name in names if name)
        return self._alive

    def stop(self, names: Iterable[str]) -> None:
        """Remove groups, and with them their pods."""
        self._delete("DaskWorkerGroup", [f"{self.name}-{name}" for name in names])

    def _make_class(self, kind: str) -> Any:
        return self._kr8s.objects.new_class(kind, DASK, asyncio=False)

    def _now(self) -> datetime:
        """Tell the time by the clock of Kubernetes."""
        return datetime.now(UTC) + self._ahead

    def _mark(self) -> None:
        """Say that the command is there.

        Raises
        ------
        PlanError
            Kubernetes refuses it, or does not answer.
        """
        now = self._now()
        self._call(lambda: self._made.annotate({_ALIVE: now.isoformat()}))
        self._marked_at = now

    def _remark(self) -> None:
        """Say it again when it is time; a Kubernetes that is busy is told later."""
        if self._now() - self._marked_at >= _MARK:
            try:
                self._mark()
            except PlanError as error:
                get_logger().warning("kubernetes.silent", message=str(error))

    def _list_left(self) -> list[str]:
        """List the clusters of commands that are not there any more."""
        left = [
            one.name
            for one in self._list("DaskCluster", LABELS)
            if self._now() - _find_last_sign(one) > _LEFT
        ]
        if left:
            get_logger().warning("kubernetes.left", clusters=left)
        return left

    def _list(self, kind: str, labels: Mapping[str, str]) -> list[Any]:
        """List the objects of a kind with some labels."""
        return self._call(
            lambda: [
                *self._api.get(
                    self._classes[kind],
                    namespace=self._api.namespace,
                    label_selector=dict(labels),
                )
            ]
        )

    def _delete(self, kind: str, names: Iterable[str]) -> None:
        """Remove objects, which need not be there."""
        for name in names:
            gone = self._classes[kind](
                {"metadata": {"name": name}},
                namespace=self._api.namespace,
                api=self._api,
            )
            try:
                self._call(gone.delete)
            except PlanError as error:
                if not isinstance(error.__cause__, self._kr8s.NotFoundError):
                    get_logger().warning("kubernetes.kept", message=str(error))

    def _call(self, work: Callable[[], _Answer]) -> _Answer:
        """Ask Kubernetes.

        Raises
        ------
        PlanError
            It refuses, or does not answer.
        """
        try:
            return work()
        except (
            self._kr8s.ServerError,
            self._kr8s.NotFoundError,
            self._kr8s.APITimeoutError,
            httpx.HTTPError,
            OSError,
            ValueError,  # there is no kubeconfig
        ) as error:
            raise PlanError(
                f"Kubernetes refuses or does not answer: {error}"
            ) from error


def _find_birth(made: Any) -> datetime:
    """Find when Kubernetes has created an object."""
    return datetime.fromisoformat(made.metadata.creationTimestamp)


def _find_last_sign(made: Any) -> datetime:
    """Find when the command of a cluster was there for sure."""
    marked_at = made.annotations.get(_ALIVE)
    return datetime.fromisoformat(marked_at) if marked_at else _find_birth(made)


@cache
def _make_client(namespace: str | None) -> Any:
    """Make the client of a namespace, which has nothing that closes it."""
    client = _load_kr8s().api(namespace=namespace)
    client.timeout = _TIMEOUT_S
    return client


def _load_kr8s() -> Any:
    """Load the client of Kubernetes.

    Raises
    ------
    PlanError
        It is not installed.
    """
    try:
        import kr8s.objects
    except ImportError as error:
        raise PlanError(
            "A cluster of the kind kubernetes needs the extra `kubernetes` of Rewebb: "
            "`pip install rewebb[kubernetes]`."
        ) from error
    return kr8s
