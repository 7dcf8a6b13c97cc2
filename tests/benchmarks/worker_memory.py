"""What a worker holds while it runs a hundred real jobs, one after the other.

    python tests/benchmarks/worker_memory.py [JOBS]

They are detector1 of the smallest exposure of the sample programs, the verification
image of the LRS without slit, each in a child of the one worker.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from processing import make_request, make_settings, plan_with
from rich.console import Console
from rich.table import Table
from worker_memory import follow_memory

from flows.execution import Cluster
from flows.execution.worker_side import answer_on_worker
from flows.factory import Services, open_configured_cluster, open_services
from workers.contract import Job, Stage
from workers.sample import Mode, make_sample

JOBS = 100
EVERY = 10
MODE = Mode.MIRI_LRS_SLITLESS
EXP_TYPE = "MIR_TACONFIRM"


def find_job(services: Services, cluster: Cluster) -> Job:
    """Find the job in the plan of its program."""
    planned = plan_with(services, make_request(MODE), cluster)
    jobs = [entry.job for entry in planned.plan.entries if entry.job is not None]
    found = (j for j in jobs if (j.stage, j.exp_type) == (Stage.DETECTOR1, EXP_TYPE))
    return next(found)


def main() -> None:
    """Run the jobs, and print a table."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    with tempfile.TemporaryDirectory(prefix="rewebb-bench-") as name:
        folder = Path(name)
        sample = make_sample(folder / "sample", modes=(MODE,))
        settings = make_settings(sample, folder / "data")
        with (
            open_services(settings) as services,
            open_configured_cluster(settings) as cluster,
        ):
            job = find_job(services, cluster)
            held = follow_memory(
                cluster, answer_on_worker, job, data_dir=folder / "data", times=jobs
            )
            sizes = [*held]
    table = Table(title=f"{jobs} jobs of detector1, one after the other")
    for column in ("after", "worker holds"):
        table.add_column(column, justify="right")
    for number in range(EVERY, jobs + 1, EVERY):
        table.add_row(str(number), f"{sizes[number - 1] / 1e6:.1f} MB")
    Console().print(table)


if __name__ == "__main__":
    main()
