"""The first tables."""

from flows.provenance.migrations.tables import create_table

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    create_table(
        "job",
        "fingerprint stage name program exp_type context parameters overrides "
        "association? association_name? versions crds_path partial",
        key="fingerprint",
        indexes=("program", "stage name"),
    )
    create_table(
        "known_file",
        "path size_bytes:int mtime_ns:int sha256 content_sha256 content_version:int",
        key="path",
    )
    create_table(
        "known_reference",
        "crds_path name sha1 size_bytes:int mtime_ns:int first_seen_at:time",
        key="crds_path name",
        indexes=("name",),
    )
    create_table(
        "lease",
        "program owner host pid:int acquired_at:time expires_at:time",
        key="program",
    )
    create_table(
        "run",
        "id program recipe_name recipe_sha256 context environment request "
        "requested_by started_at:time finished_at:time? state message?",
        key="id",
        indexes=("program", "started_at"),
    )
    create_table(
        "attempt",
        "id fingerprint run_id? status started_at:time finished_at:time host "
        "elapsed_s:float cpu_s:float peak_bytes:int granted_bytes:int folder "
        "error_type? error_message? error_traceback? content_version:int",
        key="id",
        foreign={"fingerprint": "job.fingerprint", "run_id": "run.id"},
        indexes=("fingerprint", "run_id"),
    )
    create_table(
        "job_input",
        "fingerprint position:int name path exptype reason sha256 content_sha256",
        key="fingerprint position",
        foreign={"fingerprint": "job.fingerprint"},
        indexes=("name", "sha256"),
    )
    create_table(
        "job_reference",
        "fingerprint kind position:int reftype name? sha1? size_bytes:int? "
        "mtime_ns:int?",
        key="fingerprint kind position",
        foreign={"fingerprint": "job.fingerprint"},
        indexes=("name",),
    )
    create_table(
        "run_job",
        "run_id key stage name fingerprint? state why blocked_by updated_at:time",
        key="run_id key",
        foreign={"run_id": "run.id"},
        indexes=("fingerprint",),
    )
    create_table(
        "caveat",
        "attempt_id position:int kind message",
        key="attempt_id position",
        foreign={"attempt_id": "attempt.id"},
    )
    create_table(
        "product",
        "fingerprint name attempt_id size_bytes:int mtime_ns:int sha256 content_sha256",
        key="fingerprint name",
        foreign={"attempt_id": "attempt.id", "fingerprint": "job.fingerprint"},
        indexes=("attempt_id", "name", "sha256"),
    )
    create_table(
        "step_status",
        "attempt_id position:int step status",
        key="attempt_id position",
        foreign={"attempt_id": "attempt.id"},
    )
