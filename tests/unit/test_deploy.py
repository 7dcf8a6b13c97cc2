"""The files of deploy/: what they call is there, and each says how it was tried."""

import json
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from pydantic import TypeAdapter
from typer.main import get_command

from config.clusters import ClusterProfile
from config.settings import Settings
from flows.cli import app

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
TEXTS = {str(path.relative_to(DEPLOY)): path.read_text() for path in FILES}


@pytest.mark.parametrize("name", TEXTS)
def test_each_file_says_how_it_was_tried_and_what_was_not(name: str) -> None:
    text = re.sub(r"^# ?", "", TEXTS[name], flags=re.MULTILINE)
    comment = " ".join(text.split())
    assert re.search(r"\bTried: .+ Not tried: ", comment)


def test_what_files_name_as_tests_is_there() -> None:
    named = re.findall(r"tests/\w+/test_\w+\.py", "".join(TEXTS.values()))
    assert named
    assert [path for path in named if not (DEPLOY.parent / path).is_file()] == []


def test_commands_of_rewebb_are_those_it_has() -> None:
    group = get_command(app)
    called = re.findall(
        r"(?:bin/rewebb|rewebb\}\"|`rewebb) ([a-z]\w+)(?: (\w+))?",
        "".join(TEXTS.values()),
    )
    assert {"run", "db", "cluster"} <= {command for command, _ in called}
    for command, below in called:
        found = group.commands[command]
        if hasattr(found, "commands"):
            assert below in found.commands


def test_settings_that_files_name_are_settings() -> None:
    named = set(re.findall(r"REWEBB_(\w+)", "".join(TEXTS.values())))
    assert "DATA_DIR" in named
    assert named <= {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", [name for name in TEXTS if "#!" in TEXTS[name]])
def test_scripts_are_of_bash_and_parse(name: str) -> None:
    assert TEXTS[name].startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", DEPLOY / name], check=True)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_units_of_systemd_hold_no_mistake(tmp_path: Path) -> None:
    units = []
    for name, text in TEXTS.items():
        if name.startswith("systemd/"):
            units.append(tmp_path / Path(name).name)
            # It looks for the programs, too.
            units[-1].write_text(re.sub(r"/opt/rewebb/\S+", "/bin/true", text))
    command = ["systemd-analyze", "verify", "--man=no", *units]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    ours = [line for line in ended.stderr.splitlines() if "rewebb-" in line]
    assert (ours, len(units)) == ([], 6)


def load_objects() -> list[dict[str, Any]]:
    """Load the objects of Kubernetes that the kustomization lists."""
    (kustomization,) = yaml.safe_load_all(TEXTS["kubernetes/kustomization.yaml"])
    listed = kustomization["resources"]
    files = {name.split("/")[1] for name in TEXTS if name.startswith("kubernetes/")}
    assert {*listed, "kustomization.yaml"} == files
    return [
        made
        for name in listed
        for made in yaml.safe_load_all(TEXTS[f"kubernetes/{name}"])
    ]


def test_objects_of_kubernetes_are_valid_and_name_what_is_there() -> None:
    objects = load_objects()
    for made in objects:
        kubernetes_validate.validate(made, "1.32", strict=True)
    there = {(one["kind"], one["metadata"]["name"]) for one in objects}
    (flows,) = (one for one in objects if one["kind"] == "Deployment")
    pod = flows["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert ("ServiceAccount", pod["serviceAccountName"]) in there
    claim = pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert ("PersistentVolumeClaim", claim) in there
    assert ("ConfigMap", container["envFrom"][0]["configMapRef"]["name"]) in there


def test_cluster_profiles_of_containers_are_profiles() -> None:
    (settings,) = (one for one in load_objects() if one["kind"] == "ConfigMap")
    compose = yaml.safe_load(TEXTS["compose.yaml"])
    flows = compose["services"]["flows"]["environment"]
    kinds = []
    for told in (settings["data"], flows):
        profiles = json.loads(told["REWEBB_CLUSTERS"])
        profile = profiles[told["REWEBB_CLUSTER"]]
        kinds.append(TypeAdapter(ClusterProfile).validate_python(profile).kind)
    assert kinds == ["kubernetes", "address"]


def test_services_of_compose_fit_the_images_and_each_other() -> None:
    compose = yaml.safe_load(TEXTS["compose.yaml"])
    services = compose["services"]
    targets = set(re.findall(r"^FROM \S+ AS (\w+)", TEXTS["Dockerfile"], re.MULTILINE))
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services)
        assert service.get("build", {}).get("target", "worker") in targets
        if name != "postgres":
            assert service["read_only"] is True
            assert service["user"] == "1000:1000"
        if service["image"].startswith("rewebb-"):
            assert service["image"].split(":")[1] == version("rewebb")
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
