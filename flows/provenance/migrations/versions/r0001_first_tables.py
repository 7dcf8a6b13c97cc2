"""The first tables."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    _create_job()
    _create_known_file()
    _create_known_reference()
    _create_lease()
    _create_run()
    _create_attempt()
    _create_job_input()
    _create_job_reference()
    _create_run_job()
    _create_caveat()
    _create_product()
    _create_step_status()


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _create_job() -> None:
    op.create_table(
        "job",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("exp_type", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("overrides", sa.Text(), nullable=False),
        sa.Column("association", sa.Text(), nullable=True),
        sa.Column("association_name", sa.Text(), nullable=True),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("crds_path", sa.Text(), nullable=False),
        sa.Column("partial", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_job")),
    )
    op.create_index(op.f("ix_job_program"), "job", ["program"])
    op.create_index(op.f("ix_job_stage_name"), "job", ["stage", "name"])


def _create_known_file() -> None:
    op.create_table(
        "known_file",
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("content_version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_known_file")),
    )


def _create_known_reference() -> None:
    op.create_table(
        "known_reference",
        sa.Column("crds_path", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha1", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("first_seen_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("crds_path", "name", name=op.f("pk_known_reference")),
    )
    op.create_index(op.f("ix_known_reference_name"), "known_reference", ["name"])


def _create_lease() -> None:
    op.create_table(
        "lease",
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("acquired_at", _time(), nullable=False),
        sa.Column("expires_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("program", name=op.f("pk_lease")),
    )


def _create_run() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("recipe_name", sa.Text(), nullable=False),
        sa.Column("recipe_sha256", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("started_at", _time(), nullable=False),
        sa.Column("finished_at", _time(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(op.f("ix_run_program"), "run", ["program"])
    op.create_index(op.f("ix_run_started_at"), "run", ["started_at"])


def _create_attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", _time(), nullable=False),
        sa.Column("finished_at", _time(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("elapsed_s", sa.Float(), nullable=False),
        sa.Column("cpu_s", sa.Float(), nullable=False),
        sa.Column("peak_bytes", sa.BigInteger(), nullable=False),
        sa.Column("granted_bytes", sa.BigInteger(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("error_traceback", sa.Text(), nullable=True),
        sa.Column("content_version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fingerprint"], ["job.fingerprint"], name=op.f("fk_attempt_fingerprint")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_attempt_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index(op.f("ix_attempt_fingerprint"), "attempt", ["fingerprint"])
    op.create_index(op.f("ix_attempt_run_id"), "attempt", ["run_id"])


def _create_job_input() -> None:
    op.create_table(
        "job_input",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("exptype", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fingerprint"], ["job.fingerprint"], name=op.f("fk_job_input_fingerprint")
        ),
        sa.PrimaryKeyConstraint("fingerprint", "position", name=op.f("pk_job_input")),
    )
    op.create_index(op.f("ix_job_input_name"), "job_input", ["name"])
    op.create_index(op.f("ix_job_input_sha256"), "job_input", ["sha256"])


def _create_job_reference() -> None:
    op.create_table(
        "job_reference",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reftype", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("sha1", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["fingerprint"],
            ["job.fingerprint"],
            name=op.f("fk_job_reference_fingerprint"),
        ),
        sa.PrimaryKeyConstraint(
            "fingerprint", "kind", "position", name=op.f("pk_job_reference")
        ),
    )
    op.create_index(op.f("ix_job_reference_name"), "job_reference", ["name"])


def _create_run_job() -> None:
    op.create_table(
        "run_job",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("blocked_by", sa.Text(), nullable=False),
        sa.Column("updated_at", _time(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_run_job_run_id")),
        sa.PrimaryKeyConstraint("run_id", "key", name=op.f("pk_run_job")),
    )
    op.create_index(op.f("ix_run_job_fingerprint"), "run_job", ["fingerprint"])


def _create_caveat() -> None:
    op.create_table(
        "caveat",
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempt.id"], name=op.f("fk_caveat_attempt_id")
        ),
        sa.PrimaryKeyConstraint("attempt_id", "position", name=op.f("pk_caveat")),
    )


def _create_product() -> None:
    op.create_table(
        "product",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempt.id"], name=op.f("fk_product_attempt_id")
        ),
        sa.ForeignKeyConstraint(
            ["fingerprint"], ["job.fingerprint"], name=op.f("fk_product_fingerprint")
        ),
        sa.PrimaryKeyConstraint("fingerprint", "name", name=op.f("pk_product")),
    )
    op.create_index(op.f("ix_product_attempt_id"), "product", ["attempt_id"])
    op.create_index(op.f("ix_product_name"), "product", ["name"])
    op.create_index(op.f("ix_product_sha256"), "product", ["sha256"])


def _create_step_status() -> None:
    op.create_table(
        "step_status",
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempt.id"], name=op.f("fk_step_status_attempt_id")
        ),
        sa.PrimaryKeyConstraint("attempt_id", "position", name=op.f("pk_step_status")),
    )
