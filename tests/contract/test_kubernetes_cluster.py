"""Pods that the real operator of Dask makes, on a Kubernetes of loopback."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from commands import wait_until
from fake_kubernetes import FakeKubernetes, kubernetes
from kubelet import kubelet

from config.clusters import KubernetesProfile
from flows.errors import PlanError
from flows.execution import open_cluster

PROFILE = KubernetesProfile(
    kind="kubernetes",
    image="registry.example/rewebb-worker:1",
    nodes=2,
    slots=1,
    memory_bytes=2 << 30,
    idle=timedelta(0),
    claims={"rewebb": Path("/srv/rewebb")},
)


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


def test_pods_come_with_work_and_go_with_it(
    fake: FakeKubernetes, tmp_path: Path
) -> None:
    with (
        kubelet(fake, tmp_path / "pods"),
        open_cluster(PROFILE, scratch=tmp_path) as cluster,
    ):
        (name,) = list_names(fake, "daskclusters")
        (scheduler,) = fake.list_objects("deployments")
        (service,) = fake.list_objects("services")
        (secret,) = list_names(fake, "secrets")
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
    wait_until(lambda: not list_names(fake, "daskclusters"))
    for plural in ("deployments", "services", "secrets", "daskworkergroups"):
        assert list_names(fake, plural) == []
    assert fake.list_deeds() == list_allowed()


@pytest.mark.parametrize("kind", ["DaskCluster", "Secret"])
def test_what_kubernetes_refuses_ends_the_wait_and_leaves_nothing(
    fake: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(fake, "refused", frozenset({kind}))
    with (
        pytest.raises(PlanError, match="quota exceeded"),
        open_cluster(PROFILE, scratch=tmp_path),
    ):
        pytest.fail("It was opened.")
    wait_until(lambda: not list_names(fake, "daskclusters"))


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
