"""Provenance as W3C PROV, in the terms of the IVOA Provenance Data Model 1.0.

Files, references, recipes and sets of parameters are entities, named by the hashes of
their content; jobs and runs are activities; the calibration code, Rewebb and whoever
asked are agents. What a stage is in general is an ActivityDescription, which is the
plan of the association of a job with the code (https://www.ivoa.net/documents/ProvenanceDM/).
"""

import hashlib
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from workers.contract import Job, ReferenceFile, Stage
from workers.parameters import flatten_parameters

from ..errors import ExportError
from ..models.lineage import Lineage, Making, ProvFormat
from ..models.runs import Run

if TYPE_CHECKING:
    from prov.model import ProvDocument

__all__ = ["make_prov_document", "write_prov"]

_NAMESPACES: Final = {
    "voprov": "http://www.ivoa.net/documents/ProvenanceDM/index.html#",
    "sha256": "urn:sha256:",
    "sha1": "urn:sha1:",
    "job": "urn:rewebb:job:",
    "run": "urn:rewebb:run:",
    "stage": "urn:rewebb:stage:",
    "agent": "urn:rewebb:agent:",
    "rewebb": "urn:rewebb:",
}

_Attributes = Sequence[tuple[str, Any]]
"""Attributes of a record; one may be there several times."""

_STAGES: Final = {
    Stage.DETECTOR1: "Ramps to slopes (calwebb_detector1)",
    Stage.SPEC2: "Slopes to calibrated spectra (calwebb_spec2)",
    Stage.SPEC3: "Combined spectra (calwebb_spec3)",
    Stage.TSO3: "Time series of spectra (calwebb_tso3)",
}


def write_prov(document: "ProvDocument", kind: ProvFormat) -> bytes:
    """Write a document.

    Raises
    ------
    ExportError
        A picture is asked for, and Graphviz is not installed, or fails.
    """
    if kind in {"json", "provn"}:
        text = io.StringIO()
        options: dict[str, Any] = {"indent": 1} if kind == "json" else {}
        document.serialize(text, format=kind, **options)
        return text.getvalue().encode()
    from prov.dot import prov_to_dot

    graph = prov_to_dot(
        document,
        use_labels=True,
        show_element_attributes=False,
        show_relation_attributes=False,
    )
    if kind == "dot":
        return str(graph.to_string()).encode()
    if shutil.which("dot") is None:
        raise ExportError(
            "A picture needs the program dot of Graphviz, which is not installed: "
            "install it, or ask for the format dot and draw that elsewhere."
        )
    graphviz = str(graph.to_string()).encode()
    drawn = subprocess.run(
        ["dot", "-Tsvg"], input=graphviz, capture_output=True, check=False
    )
    if drawn.returncode:
        said = drawn.stderr.decode("utf-8", "backslashreplace").strip()
        raise ExportError(f"Graphviz has drawn no picture: {said[:500]}")
    return drawn.stdout


def make_prov_document(lineage: Lineage, runs: Iterable[Run]) -> "ProvDocument":
    """Make the document of jobs, with all that they read and made.

    Parameters
    ----------
    runs
        Those that made them, as far as they are recorded.
    """
    writer = _Writer()
    for run in runs:
        writer.add_run(run)
    for making in lineage.makings.values():
        writer.add_job(making, lineage)
    return writer.document


class _Writer:
    """Adds records to a document, each entity once."""

    def __init__(self) -> None:
        from prov.model import ProvDocument

        self.document = ProvDocument()
        self._spaces = {
            prefix: self.document.add_namespace(prefix, uri)
            for prefix, uri in _NAMESPACES.items()
        }
        self._added: set[str] = set()

    def add_run(self, run: Run) -> None:
        """Add a run, the recipe that it used, and who asked for it."""
        name = f"run:{run.id}"
        about = {
            "rewebb:program": run.program,
            "rewebb:context": run.context,
            "rewebb:state": str(run.state),
            "rewebb:request": _to_json(run.request),
            **{f"rewebb:version_{key}": v for key, v in run.environment.items()},
        }
        self.document.activity(
            name,
            run.started_at,
            run.finished_at,
            [*_label(f"run of program {run.program}"), *about.items()],
        )
        self._added.add(name)
        asked = f"agent:{_to_local(run.requested_by)}"
        self._add_agent(asked, run.requested_by, {})
        self.document.wasAssociatedWith(
            name, asked, other_attributes=_play("requester")
        )
        if run.recipe_text:
            recipe = f"sha256:{run.recipe_sha256}"
            content = {"rewebb:text": run.recipe_text}
            self._add_entity(recipe, "ConfigFile", run.recipe_name, content)
            self.document.used(name, recipe, other_attributes=_play("recipe"))

    def add_job(self, making: Making, lineage: Lineage) -> None:
        """Add a job, what it read, what it made, and the code that did it."""
        job, done = making.job, making.done
        name = f"job:{job.fingerprint}"
        about = {
            "rewebb:program": job.program,
            "rewebb:exp_type": job.exp_type,
            "rewebb:context": job.context,
            "rewebb:host": making.host,
            "rewebb:attempt": done.attempt if done else "",
        }
        caveats = done.caveats if done else ()
        self.document.activity(
            name,
            making.started_at,
            done.finished_at if done else None,
            [
                *_label(f"{job.stage}:{job.name}"),
                *((key, value) for key, value in about.items() if value),
                *(("rewebb:caveat", f"{c.kind}: {c.message}") for c in caveats),
            ],
        )
        run = f"run:{making.run_id}"
        if run in self._added:
            self.document.wasInformedBy(name, run)
        self._add_code(name, job)
        self._add_configuration(name, job)
        self._add_inputs(name, job, lineage)
        files = {use.reftype: use.file for use in job.references}
        for reftype, file in (files | {p.reftype: p.file for p in job.pars}).items():
            if file is not None:
                self._use_reference(name, reftype, file)
        for file in job.mappings:
            self._use_reference(name, "mapping", file)
        self._add_products(name, making)

    def _add_inputs(self, name: str, job: Job, lineage: Lineage) -> None:
        for file in job.inputs:
            fetched = lineage.origins.get(file.sha256)
            about = (
                {
                    "voprov:location": fetched.uri,
                    "rewebb:version": str(fetched.version),
                    "rewebb:fetched_at": fetched.fetched_at.isoformat(),
                }
                if fetched
                else {}
            )
            entity = f"sha256:{file.sha256}"
            self._add_entity(entity, "DatasetEntity", file.name, about)
            why = _play(file.exptype, reason=file.reason)
            self.document.used(name, entity, other_attributes=why)

    def _add_products(self, name: str, making: Making) -> None:
        if making.done is None:
            return
        for product in making.done.products:
            entity = f"sha256:{product.sha256}"
            about = {
                "rewebb:size_bytes": product.size_bytes,
                "rewebb:content_sha256": product.content_sha256,
            }
            self._add_entity(entity, "DatasetEntity", product.name, about)
            self.document.wasGeneratedBy(entity, name, making.done.finished_at)
            for file in making.job.inputs:
                self.document.wasDerivedFrom(entity, f"sha256:{file.sha256}", name)

    def _use_reference(self, name: str, role: str, file: ReferenceFile) -> None:
        entity = f"sha1:{file.sha1}"
        self._add_entity(entity, "DatasetEntity", file.name, {})
        used = _play(role, name=file.name)
        self.document.used(name, entity, other_attributes=used)

    def _add_code(self, name: str, job: Job) -> None:
        """Add the calibration code, with the stage as the plan that it followed."""
        text = _to_json(job.versions)
        code = f"agent:code-{_hash(text)[:16]}"
        about = {f"rewebb:version_{key}": v for key, v in job.versions.items()}
        label = f"jwst {job.versions.get('jwst', '')}".strip()
        self._add_agent(code, label, about, kind="SoftwareAgent")
        plan = f"stage:{job.stage}"
        self._add_entity(plan, "ActivityDescription", _STAGES[job.stage], {})
        self.document.wasAssociatedWith(name, code, plan)

    def _add_configuration(self, name: str, job: Job) -> None:
        """Add all parameters, and apart those that are no default, and the edits."""
        text = _to_json(job.parameters)
        everything = f"sha256:{_hash(text)}"
        content = {"rewebb:text": text}
        title = f"effective parameters of {job.stage}"
        self._add_entity(everything, "ConfigFile", title, content)
        self.document.used(name, everything, other_attributes=_play("parameters"))
        values = flatten_parameters(job.parameters)
        set_by_recipe = dict.fromkeys(flatten_parameters(job.overrides), "recipe")
        origins = set_by_recipe if job.origins is None else job.origins
        for key in sorted(origins.keys() & values.keys()):
            given = _to_json(values[key])
            parameter = f"sha256:{_hash(f'{key}={given}')}"
            self._add_entity(parameter, "Parameter", key, {"voprov:value": given})
            why = _play("parameter", origin=origins[key])
            self.document.used(name, parameter, other_attributes=why)
        for edit in job.edits:
            given = _to_json(edit.values)
            parameter = f"sha256:{_hash(f'{edit.edit} {edit.file} {given}')}"
            content = {"voprov:value": given, "rewebb:file": edit.file}
            self._add_entity(parameter, "Parameter", edit.edit, content)
            self.document.used(name, parameter, other_attributes=_play("edit"))

    def _add_entity(
        self, name: str, kind: str, label: str, about: Mapping[str, Any]
    ) -> None:
        if name not in self._added:
            self._added.add(name)
            kinds = [("prov:type", self._spaces["voprov"][kind])]
            self.document.entity(name, [*kinds, *_label(label), *about.items()])

    def _add_agent(
        self,
        name: str,
        label: str,
        about: Mapping[str, Any],
        *,
        kind: str | None = None,
    ) -> None:
        from prov.constants import PROV

        if name not in self._added:
            self._added.add(name)
            kinds = [("prov:type", PROV[kind])] if kind else []
            self.document.agent(name, [*kinds, *_label(label), *about.items()])


def _play(role: str, **others: str) -> _Attributes:
    """Say what something is to an activity."""
    return [("prov:role", role), *((f"rewebb:{key}", v) for key, v in others.items())]


def _label(name: str) -> _Attributes:
    """Name something for people, in the words of both models."""
    return [("voprov:name", name), ("prov:label", name)]


def _to_local(text: str) -> str:
    """Make a name of text that others wrote."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text) or "unknown"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _to_json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
