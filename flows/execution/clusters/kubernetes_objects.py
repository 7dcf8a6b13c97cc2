"""The objects of Kubernetes that a cluster is made of: what is asked for (pure).

Pods may do nothing but their work: no token, no root, no writing.
"""

from collections.abc import Mapping
from typing import Any, Final

from config.clusters import KubernetesProfile

from ..node import NODE, Node

__all__ = [
    "CLUSTER_LABEL",
    "DASK",
    "LABELS",
    "NODE_LABEL",
    "PORT",
    "KubernetesObject",
    "make_cluster",
    "make_secret",
    "make_worker_group",
]

DASK: Final = "kubernetes.dask.org/v1"
"""Version of the API of the operator."""

_COMM: Final = "tcp-comm"
"""Name of the port of the scheduler."""

PORT: Final = 8786
"""Of the scheduler."""

_TOLD: Final = "/run/rewebb"
"""Where pods find the Secret: what workers are told, and the credentials."""

_MESSAGE: Final = "worker.json"

_SCHEDULER: Final = (
    f"umask 077 && mkdir -p /tmp/keys && cp {_TOLD}/*.pem /tmp/keys && exec rewebb "
    f'cluster scheduler --credentials /tmp/keys --host "$POD_IP" --port {PORT}'
)
"""What the pod of the scheduler does: files of a Secret are not of its own user."""

_WORKER: Final = f'exec python -P -m {NODE} "$DASK_WORKER_NAME" < {_TOLD}/{_MESSAGE}'

_ENVIRONMENT: Final = {
    "HOME": "/tmp",  # noqa: S108  # of the pod alone
    "PYTHONSAFEPATH": "1",
    "DASK_LOGGING__DISTRIBUTED": "critical",
}
"""Of our processes, which end when they have no other; jobs have one of their own."""

LABELS: Final = {"app.kubernetes.io/managed-by": "rewebb"}
"""Of all that we make."""

CLUSTER_LABEL: Final = "dask.org/cluster-name"
"""Label by which the operator finds what belongs to a cluster."""

NODE_LABEL: Final = "rewebb/node"
"""Label of the group of a worker: its name."""

_OF_SCHEDULER: Final = {"cpu": "1", "memory": "2Gi"}
"""It holds no more than the jobs that run: tests/benchmarks/scale.py."""

KubernetesObject = dict[str, Any]
"""What is sent to Kubernetes, as JSON has it."""


def make_cluster(profile: KubernetesProfile, name: str) -> KubernetesObject:
    """Make the object of a cluster: its scheduler, and no worker yet."""
    selector = {CLUSTER_LABEL: name, "dask.org/component": "scheduler"}
    # By name: the schema of the operator takes no number for it.
    port = {"name": _COMM, "protocol": "TCP", "port": PORT, "targetPort": _COMM}
    scheduler = _make_pod(profile, name, _SCHEDULER, _OF_SCHEDULER)
    (container,) = scheduler["containers"]
    container["ports"] = [{"name": _COMM, "containerPort": PORT}]
    container["readinessProbe"] = {"tcpSocket": {"port": _COMM}}
    address = {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}
    container["env"].append({"name": "POD_IP", "valueFrom": address})
    return {
        "apiVersion": DASK,
        "kind": "DaskCluster",
        "metadata": {"name": name, "labels": LABELS},
        "spec": {
            "idleTimeout": 0,
            "scheduler": {
                "spec": scheduler,
                "service": {"type": "ClusterIP", "selector": selector, "ports": [port]},
            },
            "worker": {"replicas": 0, "spec": _make_worker(profile, name)},
        },
    }


def make_worker_group(
    profile: KubernetesProfile, cluster: str, worker: str
) -> KubernetesObject:
    """Make the object of a worker."""
    pod = _make_worker(profile, cluster)
    pod["containers"][0]["env"].append({"name": "DASK_WORKER_NAME", "value": worker})
    labels = {**LABELS, CLUSTER_LABEL: cluster, NODE_LABEL: worker}
    return {
        "apiVersion": DASK,
        "kind": "DaskWorkerGroup",
        "metadata": {"name": f"{cluster}-{worker}", "labels": labels},
        "spec": {"cluster": cluster, "worker": {"replicas": 1, "spec": pod}},
    }


def make_secret(cluster: str, node: Node) -> KubernetesObject:
    """Make the object of what the pods of a cluster are told, and nobody else is."""
    credentials = node.credentials
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": cluster, "labels": LABELS},
        "type": "Opaque",
        "immutable": True,
        "stringData": {
            "cert.pem": credentials["tls_worker_cert"],
            "key.pem": credentials["tls_worker_key"],
            _MESSAGE: node.to_message() + "\n",
        },
    }


def _make_worker(profile: KubernetesProfile, cluster: str) -> KubernetesObject:
    asked = {"cpu": str(profile.slots), "memory": str(profile.memory_bytes)}
    pod = _make_pod(profile, cluster, _WORKER, asked)
    for number, (claim, path) in enumerate(sorted(profile.claims.items())):
        name = f"claim-{number}"
        volume = {"name": name, "persistentVolumeClaim": {"claimName": claim}}
        pod["volumes"].append(volume)
        mount = {"name": name, "mountPath": str(path)}
        pod["containers"][0]["volumeMounts"].append(mount)
    pod["nodeSelector"] = dict(profile.node_selector)
    pod["tolerations"] = [dict(one) for one in profile.tolerations]
    return pod


def _make_pod(
    profile: KubernetesProfile, cluster: str, command: str, asked: Mapping[str, str]
) -> KubernetesObject:
    """Make a pod that may do nothing but its work: no token, no root, no writing."""
    container = {
        "name": "rewebb",
        "image": profile.image,
        "command": ["sh", "-c", command],
        "env": [{"name": name, "value": value} for name, value in _ENVIRONMENT.items()],
        "resources": {"requests": dict(asked), "limits": dict(asked)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "told", "mountPath": _TOLD, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  # of the pod alone
        ],
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": profile.user,
            "runAsGroup": profile.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "told", "secret": {"secretName": cluster}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
