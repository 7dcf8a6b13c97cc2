"""Objects of a cluster of Kubernetes are valid, and may do no more than they must."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from distributed.security import Security
from jsonschema import Draft7Validator

from config.clusters import KubernetesProfile
from flows.execution.clusters.kubernetes_objects import (
    make_cluster,
    make_secret,
    make_worker_group,
)
from flows.execution.credentials import list_credentials
from flows.execution.node import Node

VERSION = "1.32"

PROFILE = KubernetesProfile(
    kind="kubernetes",
    image="registry.example/rewebb-worker:1",
    nodes=3,
    slots=4,
    memory_bytes=16 << 30,
    claims={"rewebb-data": Path("/srv/rewebb"), "crds": Path("/srv/crds")},
    node_selector={"pool": "large"},
    tolerations=({"key": "large", "operator": "Exists", "effect": "NoSchedule"},),
)


@cache
def load_schema(kind: str) -> Draft7Validator:
    """Load the schema of a kind that the operator ships; all keys must be known."""
    crds = files("dask_kubernetes.operator") / "deployment/helm"
    path = crds / f"dask-kubernetes-operator/crds/{kind.lower()}.yaml"
    (version,) = yaml.safe_load(path.read_text())["spec"]["versions"]
    return Draft7Validator(close(version["schema"]["openAPIV3Schema"]))


def close(schema: Any) -> Any:
    """Refuse keys that a schema does not know; Kubernetes would drop them."""
    if isinstance(schema, list):
        return [close(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close(value) for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        closed["type"] = ["integer", "string"]
    is_whole = "properties" in schema and schema.get("type") == "object"
    if is_whole and "x-kubernetes-preserve-unknown-fields" not in schema:
        closed.setdefault("additionalProperties", False)
    return closed


def list_pods() -> list[dict[str, Any]]:
    """Make the pods of a scheduler, and of a worker."""
    cluster = make_cluster(PROFILE, "rewebb-1")
    group = make_worker_group(PROFILE, "rewebb-1", "node-1")
    return [cluster["spec"]["scheduler"]["spec"], group["spec"]["worker"]["spec"]]


def list_flaws(made: dict[str, Any]) -> list[str]:
    """List what the operator's own schema says is wrong with an object."""
    described = {"spec": made["spec"]}
    return [error.message for error in load_schema(made["kind"]).iter_errors(described)]


def test_objects_of_the_operator_are_valid_by_its_own_schemas() -> None:
    assert list_flaws(make_cluster(PROFILE, "rewebb-1")) == []
    assert list_flaws(make_worker_group(PROFILE, "rewebb-1", "node-1")) == []


def test_a_key_that_is_not_known_is_seen() -> None:
    made = make_cluster(PROFILE, "rewebb-1")
    made["spec"]["worker"]["spec"]["containers"][0]["volumeMount"] = []
    assert any("volumeMount" in flaw for flaw in list_flaws(made))


def test_pods_service_and_secret_are_valid_kubernetes() -> None:
    service = make_cluster(PROFILE, "rewebb-1")["spec"]["scheduler"]["service"]
    node = Node(
        scheduler="tls://10.0.0.1:8786",
        credentials=list_credentials(Security.temporary()),
        host=None,
        slots=1,
        memory_bytes=1,
        local_directory="/srv/rewebb",
        ends_with_parent=False,
    )
    named = {"apiVersion": "v1", "metadata": {"name": "one"}}
    pods = [{**named, "kind": "Pod", "spec": pod} for pod in list_pods()]
    service = {**named, "kind": "Service", "spec": service}
    for made in (*pods, service, make_secret("rewebb-1", node)):
        kubernetes_validate.validate(made, VERSION, strict=True)
    pods[0]["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeMount"):
        kubernetes_validate.validate(pods[0], VERSION, strict=True)


def test_pods_have_no_token_no_root_and_nothing_to_write_but_volumes() -> None:
    for pod in list_pods():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            asked = container["resources"]
            assert asked["requests"] == asked["limits"]


def test_no_key_is_in_an_object_but_the_secret() -> None:
    texts = [str(make_cluster(PROFILE, "one")), str(list_pods())]
    assert [text for text in texts if "PRIVATE" in text or "CERTIFICATE" in text] == []


def test_workers_ask_for_what_the_profile_gives_and_see_its_claims() -> None:
    scheduler, worker = list_pods()
    (container,) = worker["containers"]
    assert container["resources"]["limits"] == {"cpu": "4", "memory": str(16 << 30)}
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    assert {"/srv/rewebb", "/srv/crds"} <= mounts
    assert worker["nodeSelector"] == {"pool": "large"}
    assert "nodeSelector" not in scheduler
    assert {"name": "DASK_WORKER_NAME", "value": "node-1"} in container["env"]
