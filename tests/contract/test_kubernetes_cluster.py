"""Pods that the real operator of Dask makes, on a Kubernetes of loopback."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import kr8s
import kr8s.objects
import pytest
import yaml
from commands import wait_until
from fake_kubernetes import FakeKubernetes, kubernetes
from kubelet import kubelet

from config.clusters import KubernetesProfile
from flows.errors import PlanError
from flows.execution import open_cluster
from flows.execution.clusters.kubernetes_objects import make_cluster

PROFILE = KubernetesProfile(
    kind="kubernetes",
    image="registry.example/rewebb-worker:1",
    nodes=2,
    slots=1,
    memory_bytes=2 << 30,
    idle=timedelta(0),
    claims={"rewebb": Path("/srv/rewebb")},
)


OTHER = {"Authorization": "Bearer operator"}


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeKubernetes]:
    """Serve a Kubernetes, and name it in the environment."""
    folder = tmp_path_factory.mktemp("kubernetes")
    with pytest.MonkeyPatch.context() as variables, kubernetes(folder) as fake:
        variables.setenv("KUBECONFIG", str(folder / "kubeconfig"))
        yield fake


def list_names(fake: FakeKubernetes, plural: str) -> list[str]:
    """List the names of what is there."""
    return [one["metadata"]["name"] for one in fake.list_objects(plural)]


def list_allowed() -> set[tuple[str, str]]:
    """List what the role of the runner of flows allows."""
    path = Path(__file__).parents[2] / "deploy/kubernetes/access.yaml"
    (role,) = (o for o in yaml.safe_load_all(path.read_text()) if o["kind"] == "Role")
    return {
        (verb, resource)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }


@pytest.fixture
def runner(fake: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> str:
    """Say that this process is in a pod; give the URL of that."""
    # As another user: kr8s keeps its client, and what we do ourselves is counted.
    config = json.loads(Path(os.environ["KUBECONFIG"]).read_text())
    server = config["clusters"][0]["cluster"]["server"].rstrip("/")
    pods = f"{server}/api/v1/namespaces/default/pods"
    spec = {"containers": []}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "runner"}}
    httpx.post(pods, json={**pod, "spec": spec}, headers=OTHER).raise_for_status()
    (made,) = fake.list_objects("pods")
    told = {"NAME": "runner", "UID": made["metadata"]["uid"], "NAMESPACE": "default"}
    for name, value in told.items():
        monkeypatch.setenv(f"POD_{name}", value)
    return f"{pods}/runner"


def test_pods_come_with_work_and_go_with_it_and_with_their_runner(
    fake: FakeKubernetes, runner: str, tmp_path: Path
) -> None:
    with (
        kubelet(fake, tmp_path / "pods"),
        open_cluster(PROFILE, scratch=tmp_path) as cluster,
    ):
        (name,) = list_names(fake, "daskclusters")
        (scheduler,) = fake.list_objects("deployments")
        (service,) = fake.list_objects("services")
        (secret,) = list_names(fake, "secrets")
        (made,) = fake.list_objects("daskclusters")
        assert made["metadata"]["annotations"]["rewebb/alive-at"] != ""
        assert (scheduler["metadata"]["name"], secret) == (f"{name}-scheduler", name)
        assert [one["port"] for one in service["spec"]["ports"]] == [8786]
        names = cluster.map(os.path.basename, ["a/b", "a/c"], memory_bytes=1 << 30)
        assert names == ["b", "c"]
        workers = fake.list_objects("deployments")[1:]
        assert workers
        for worker in workers:
            pod = worker["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            asked = {"cpu": "1", "memory": str(2 << 30)}
            assert container["resources"] == {"requests": asked, "limits": asked}
            assert {"name": "told", "secret": {"secretName": name}} in pod["volumes"]
        wait_until(lambda: len(list_names(fake, "deployments")) == 1)
        httpx.delete(runner, headers=OTHER).raise_for_status()
        # Kubernetes removes what it owns.
        assert list_names(fake, "daskclusters") == list_names(fake, "deployments") == []
    wait_until(lambda: not list_names(fake, "daskclusters"))
    for plural in ("deployments", "services", "secrets", "daskworkergroups"):
        assert list_names(fake, plural) == []
    assert fake.list_deeds() == list_allowed()


def leave(fake: FakeKubernetes, name: str, *, marked: timedelta) -> None:
    """Leave a cluster as a killed command does, born 11 minutes ago."""
    api = kr8s.api()
    made = make_cluster(PROFILE, name)
    at = datetime.now(UTC) - marked
    made["metadata"]["annotations"] = {"rewebb/alive-at": at.isoformat()}
    kind = kr8s.objects.new_class(made["kind"], made["apiVersion"], asyncio=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake, "ahead", -timedelta(minutes=11))
        kind(made, namespace=api.namespace, api=api).create()


def open_refused(
    fake: FakeKubernetes, monkeypatch: pytest.MonkeyPatch, scratch: Path, kind: str
) -> None:
    """Open a cluster of which Kubernetes refuses something."""
    monkeypatch.setattr(fake, "refused", frozenset({kind}))
    with (
        pytest.raises(PlanError, match="quota exceeded"),
        open_cluster(PROFILE, scratch=scratch),
    ):
        pytest.fail("It was opened.")


def test_what_kubernetes_refuses_at_once_leaves_nothing(
    fake: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_refused(fake, monkeypatch, tmp_path, "DaskCluster")
    assert list_names(fake, "daskclusters") == []


def test_what_is_refused_later_leaves_nothing_nor_what_killed_commands_have_left(
    fake: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(fake, "killed", marked=timedelta(minutes=11))
    leave(fake, "there", marked=timedelta(minutes=9))
    open_refused(fake, monkeypatch, tmp_path, "Secret")
    wait_until(lambda: list_names(fake, "daskclusters") == ["there"])


@pytest.mark.usefixtures("fake")
def test_a_scheduler_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    hasty = PROFILE.model_copy(update={"patience": timedelta(0)})
    with (
        pytest.raises(PlanError, match="did not come in 0 s"),
        open_cluster(hasty, scratch=tmp_path),
    ):
        pytest.fail("It was opened.")


def test_kubernetes_that_is_not_reached_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    # kr8s keeps the client of each namespace.
    elsewhere = PROFILE.model_copy(update={"namespace": "elsewhere"})
    with (
        pytest.raises(PlanError, match="refuses or does not answer"),
        open_cluster(elsewhere, scratch=tmp_path),
    ):
        pytest.fail("It was opened.")
