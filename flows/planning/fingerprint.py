"""The identity of a job: everything that can change a pixel and nothing else.

In: stage, content of the inputs with their names and exptypes, product name,
effective parameters, sha1 of every reference and ``pars-*`` file, versions of the
calibration code. Not in: paths, hosts, runs, dates, memory, the name of the context,
and why something is a member.
"""

import hashlib
import json

from workers.contract import CONTENT_VERSION, Job

__all__ = ["take_fingerprint"]


def take_fingerprint(job: Job) -> str:
    """Hash what decides the result of a job; `Job.fingerprint` is not looked at."""
    facts = {
        "content_version": CONTENT_VERSION,
        "stage": job.stage,
        "name": job.name,
        "inputs": [
            (file.name, file.exptype, file.content_sha256) for file in job.inputs
        ],
        "parameters": job.parameters,
        "references": {
            use.reftype: use.file.sha1 if use.file else None for use in job.references
        },
        "pars": {use.reftype: use.file.sha1 for use in job.pars},
        "versions": dict(job.versions),
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
