"""A Kubernetes on loopback: kmock serves the API, the operator of Dask is the real one.

The machine of the pods is this one: what deployments ask for is started as processes.
"""

import asyncio
import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kmock
from commands import stopped
from kmock import KubernetesEmulator

__all__ = ["ADDRESS", "FakeKubernetes", "kubernetes"]

ADDRESS = "127.0.8.6"
"""Of the service, and of the pod of the scheduler."""

_DASK = ("daskclusters", "daskworkergroups", "daskjobs", "daskautoscalers")

_KINDS = {
    ("", "v1", "namespaces"): "Namespace",
    ("", "v1", "pods"): "Pod",
    ("", "v1", "services"): "Service",
    ("", "v1", "secrets"): "Secret",
    ("", "v1", "events"): "Event",
    ("apps", "v1", "deployments"): "Deployment",
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions"): (
        "CustomResourceDefinition"
    ),
    ("kubernetes.dask.org", "v1", "daskclusters"): "DaskCluster",
    ("kubernetes.dask.org", "v1", "daskworkergroups"): "DaskWorkerGroup",
    ("kubernetes.dask.org", "v1", "daskjobs"): "DaskJob",
    ("kubernetes.dask.org", "v1", "daskautoscalers"): "DaskAutoscaler",
}

_VERBS = {"get", "list", "watch", "create", "patch", "update", "delete"}


class FakeKubernetes(KubernetesEmulator):  # type: ignore[misc]  # it has no types
    """What kmock 0.8 leaves out: ids, selectors of labels, addresses, and owners."""

    refused: frozenset[str] = frozenset()
    """Kinds that nobody may create."""
    ahead: timedelta = timedelta(0)
    """By how much its clock is ahead of ours."""

    async def _handle(self, request: Any) -> Any:
        creates = request.action == kmock.action.CREATE
        if creates and request.data["kind"] in self.refused:
            said = {"kind": "Status", "message": "quota exceeded", "code": 403}
            return await self._render_error_of(said)
        if creates:
            self._complete(request.data)
        return await super()._handle(request)

    async def _render_error_of(self, said: dict[str, Any]) -> Any:
        from aiohttp.web import json_response

        return json_response(said, status=said["code"])

    def _complete(self, made: dict[str, Any]) -> None:
        given = made["metadata"]
        given.setdefault("uid", uuid.uuid4().hex)
        given.setdefault("resourceVersion", "1")
        now = datetime.now(UTC).replace(microsecond=0) + self.ahead
        given.setdefault("creationTimestamp", now.isoformat().replace("+00:00", "Z"))
        if made["kind"] == "Service":
            made["spec"]["clusterIP"] = ADDRESS
            made["status"] = {"loadBalancer": {}}

    async def _serve_list(self, request: Any) -> Any:
        found = await super()._serve_list(request)
        labels = _read(request.params.get("labelSelector", ""))
        fields = _read(request.params.get("fieldSelector", ""))
        found["items"] = [
            item
            for item in found["items"]
            if labels.items() <= item["metadata"].get("labels", {}).items()
            and fields.get("metadata.name") in {None, item["metadata"]["name"]}
        ]
        return found

    def list_deeds(self) -> set[tuple[str, str]]:
        """List what others than the operator did: verbs, and to what."""
        return {
            (_name_verb(request), request.resource.plural)
            for request in self._requests
            if request.resource is not None
            and request.headers["Authorization"] == "Bearer kubeconfig"
        }

    def list_objects(self, plural: str) -> list[dict[str, Any]]:
        """List the objects that are there, without those whose owner is gone."""
        there = {
            (resource.plural, found.raw["metadata"]["uid"]): found.raw
            for (resource, _, _), found in [*self.objects.items()]
            if not found.deleted
        }
        uids = {uid for _, uid in there}
        return [
            raw
            for (kind, _), raw in there.items()
            if kind == plural and _has_owners(raw, there, uids)
        ]


def _name_verb(request: Any) -> str:
    """Name what a role must allow; kmock calls a patch an update."""
    is_patch = request.method == kmock.method.PATCH
    return "patch" if is_patch else str(request.action.value).lower()


def _read(selector: str) -> dict[str, str]:
    """Read a selector, `NAME=VALUE,...`."""
    return dict(one.split("=") for one in selector.split(",") if one)


def _has_owners(raw: Any, there: Any, uids: set[str]) -> bool:
    owners = [one["uid"] for one in raw["metadata"].get("ownerReferences", [])]
    above = [one for (_, uid), one in there.items() if uid in owners]
    return {*owners} <= uids and all(_has_owners(one, there, uids) for one in above)


@contextmanager
def kubernetes(folder: Path) -> Iterator[FakeKubernetes]:
    """Serve, with the operator, and with `kubeconfig` in a folder."""
    fake, loop = FakeKubernetes(), asyncio.new_event_loop()
    for (group, version, plural), kind in _KINDS.items():
        fake.resources[kmock.resource(group, version, plural)] = {
            "kind": kind,
            "singular": kind.lower(),
            "namespaced": plural not in {"namespaces", "customresourcedefinitions"},
            "verbs": _VERBS,
            "subresources": {"status", "scale"} if plural in _DASK else set(),
        }
    told = {"major": "1", "minor": "32", "gitVersion": "v1.32.0"}
    for path in ("/version", "/version/"):
        fake[path] << told
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    over = asyncio.Event()
    opened: Future[str] = Future()
    serving = asyncio.run_coroutine_threadsafe(_serve(fake, opened, over), loop)
    for name in ("kubeconfig", "operator"):
        config = _write_config(opened.result(30), token=name)
        (folder / name).write_text(json.dumps(config))
    try:
        with _operating(folder / "operator"):
            yield fake
    finally:
        loop.call_soon_threadsafe(over.set)
        serving.result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(
    fake: FakeKubernetes, opened: "Future[str]", over: asyncio.Event
) -> None:
    async with fake, kmock.Server(fake) as server:
        opened.set_result(str(server.url))
        await over.wait()


def _write_config(server: str, *, token: str) -> dict[str, Any]:
    context = {"cluster": "here", "user": "me", "namespace": "default"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": context}],
    }


@contextmanager
def _operating(config: Path) -> Iterator[None]:
    """Run the operator of Dask."""
    module = "dask_kubernetes.operator.controller"
    command = [sys.executable, "-m", "kopf", "run", "-m", module, "-A", "--standalone"]
    with (config.parent / "operator.log").open("w") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "KUBECONFIG": str(config)},
            stdout=log,
            stderr=log,
            text=True,
        )
        with stopped(process):
            yield
