"""The machine of the pods of a fake Kubernetes: starts what deployments ask for."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commands import stopped
from fake_kubernetes import ADDRESS, FakeKubernetes

__all__ = ["kubelet"]


@contextmanager
def kubelet(fake: FakeKubernetes, folder: Path) -> Iterator[None]:
    """Start and end processes, as deployments come and go."""
    over = threading.Event()
    running: dict[str, Any] = {}

    def look() -> None:
        there = {
            one["metadata"]["uid"]: one for one in fake.list_objects("deployments")
        }
        for uid in running.keys() - there.keys():
            _end(running.pop(uid))
        for uid in there.keys() - running.keys():
            if process := _start(fake, there[uid], folder / uid):
                running[uid] = process

    def keep() -> None:
        while not over.wait(0.1):
            look()

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for process in running.values():
            _end(process)


def _start(
    fake: FakeKubernetes, deployment: Any, folder: Path
) -> "subprocess.Popen[str] | None":
    """Start the container of a deployment, once its Secret is there."""
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    of_pod = {one["name"]: one.get("secret") for one in pod["volumes"]}
    secrets = {one["metadata"]["name"]: one for one in fake.list_objects("secrets")}
    places: dict[str, str] = {}
    for number, mount in enumerate(container["volumeMounts"]):
        place = folder / str(number)
        if secret := of_pod[mount["name"]]:
            if secret["secretName"] not in secrets:
                return None
            place.mkdir(parents=True, exist_ok=True)
            for name, text in secrets[secret["secretName"]]["stringData"].items():
                (place / name).write_text(text)
        place.mkdir(parents=True, exist_ok=True)
        places[mount["mountPath"]] = str(place)
    shell, option, command = container["command"]
    mounted = "|".join(map(re.escape, places))
    command = re.sub(rf"({mounted})(?=/)", lambda found: places[found[1]], command)
    given = {one["name"]: one.get("value", ADDRESS) for one in container["env"]}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            [shell, option, command],
            env={**given, "PATH": path, "HOME": str(folder)},
            stdout=log,
            stderr=log,
            text=True,
        )


def _end(process: "subprocess.Popen[str]") -> None:
    with stopped(process):
        pass
