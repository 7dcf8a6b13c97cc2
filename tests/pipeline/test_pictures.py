"""Pictures of what the pipeline really makes, drawn by the workers of a cluster."""

from contextlib import nullcontext

from processed import Processed

from flows.execution import Cluster
from flows.factory import open_records
from flows.reports import find_pictures, list_shown
from flows.run import draw_recorded

KINDS = {
    "x1dints": ["spectrum", "series"],
    "whtlt": ["light-curve"],
    "calints": ["spectrum-2d"],
    "rate": ["image"],
}


def test_all_that_is_looked_at_of_a_time_series_is_drawn(
    bots: Processed, cluster: Cluster
) -> None:
    data_dir = bots.settings.data_dir
    with open_records(bots.settings) as database:
        shown = list_shown(database, database.runs.get_run_jobs(bots.summary.run))
    done = draw_recorded(
        shown, data_dir=data_dir, open_cluster=lambda: nullcontext(cluster)
    )
    assert (done.failed, len(done.drawn)) == ({}, len(shown))
    assert {one.kind for one in shown} == set(KINDS)
    for one in shown:
        drawn = find_pictures(data_dir, one.done.fingerprint, one.product)
        assert drawn is not None
        assert drawn.notes == ()
        assert [picture.kind for picture in drawn.pictures] == KINDS[one.kind]


def test_the_light_curve_says_the_depth_of_the_transit(
    bots: Processed, cluster: Cluster
) -> None:
    data_dir = bots.settings.data_dir
    with open_records(bots.settings) as database:
        jobs = database.runs.get_run_jobs(bots.summary.run)
        shown = [one for one in list_shown(database, jobs) if one.kind == "whtlt"]
    draw_recorded(shown, data_dir=data_dir, open_cluster=lambda: nullcontext(cluster))
    (curve,) = shown
    drawn = find_pictures(data_dir, curve.done.fingerprint, curve.product)
    assert drawn is not None
    assert "40 integrations" in drawn.pictures[0].alt
    assert "the range 0.99 to 1 of it" in drawn.pictures[0].alt
