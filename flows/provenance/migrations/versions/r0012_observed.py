"""Programs, exposures, and what products are of."""

from alembic import op

from flows.provenance.migrations.tables import create_table

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_index(op.f("ix_attempt_finished_at"), "attempt", ["finished_at"])
    create_table("program", "id title principal_investigator category", key="id")
    create_table(
        "exposure",
        "name program observation visit exp_type role instrument detector grating "
        "filter pupil channel band subarray aperture readout target ra_deg:float? "
        "dec_deg:float? started_at:time? duration_s:float? exposure_s:float? metafile "
        "path size_bytes:int mtime_ns:int sha256 defect?",
        key="name",
        foreign={"program": "program.id"},
        indexes=(
            *("program observation", "exp_type", "target", "started_at"),
            *("path", "sha256"),
        ),
    )
    create_table(
        "product_facts",
        "fingerprint product dataproduct_type calib_level:int target target_key "
        "instrument detector grating filter channel band ra_deg:float? dec_deg:float? "
        "region start_mjd:float? end_mjd:float? exposure_s:float? wave_min_m:float? "
        "wave_max_m:float?",
        key="fingerprint product",
        foreign={"fingerprint": "job.fingerprint"},
        indexes=("target_key",),
    )
    create_table(
        "product_source",
        "fingerprint product position:int name slit ra_deg:float? dec_deg:float? "
        "region radius_deg:float wave_min_m:float? wave_max_m:float?",
        key="fingerprint product position",
        foreign={"fingerprint": "job.fingerprint"},
        indexes=(
            *("dec_deg ra_deg", "wave_min_m wave_max_m"),
            *("name", "radius_deg"),
        ),
    )
