"""How long associations take, and how much memory, beside `asn_generate`.

``python tests/benchmarks/associations.py [--official [ROWS]]``: our engine from 500 to
100 000 rows; with ``--official`` the generator of `jwst` too, up to 500 rows. With
ROWS only one line: MIRI MRS of so many rows, both (10 000: half an hour).
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from large_pools import LARGE_POOLS, to_rows

from flows.associations import associate_rows, read_pool

__all__ = ["SIZES", "main", "measure"]

SIZES: Final = (500, 1000, 2000, 5000, 10_000, 50_000, 100_000)
OFFICIAL_SIZES: Final = (100, 250, 500)
LINKED_SIZES: Final = (50, 100)

_ALONE = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from large_pools import LARGE_POOLS
from flows.associations import associate_rows, read_pool
rows = read_pool(LARGE_POOLS[{name!r}]({size}))
made = associate_rows(rows, None)
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


def measure(work: Callable[[], object]) -> float:
    """Return the CPU seconds of some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure_peak_mb(name: str, size: int) -> int:
    """Return the peak memory of a process that reads and associates a pool."""
    code = _ALONE.format(path=sys.path, name=name, size=size)
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def print_ours(name: str) -> None:
    """Print a line for every size."""
    for size in SIZES:
        text = LARGE_POOLS[name](size)
        start = time.process_time()
        rows = read_pool(text)
        read_s = time.process_time() - start
        start = time.process_time()
        made = associate_rows(rows, None)
        asn_s = time.process_time() - start
        members = sum(len(one.members) for one in made.associations)
        peak = measure_peak_mb(name, size) if size in {500, 10_000, 100_000} else 0
        print(
            f"{name:24s} {size:7d} rows  read {read_s:7.3f} s  rules {asn_s:7.3f} s "
            f"{asn_s / size * 1e6:6.1f} us/row  {len(made.associations):7d} "
            f"associations  {members:11d} members  {peak or '':>4} MB"
        )


def print_official(name: str) -> None:
    """Print the same of the generator, and how many times longer it takes."""
    # One background candidate takes the generator minutes beyond these sizes.
    sizes = LINKED_SIZES if "one background" in name else OFFICIAL_SIZES
    for size in sizes:
        print_ratio(name, size)


def print_ratio(name: str, size: int) -> None:
    """Print how many times longer the generator takes for a pool."""
    from official_generator import ask_command

    text = LARGE_POOLS[name](size)
    dicts = to_rows(text)
    official_s = measure(lambda: ask_command(dicts, "--all-candidates"))
    rows = read_pool(text)
    ours_s = measure(lambda: associate_rows(rows, None))
    print(
        f"{name:24s} {size:7d} rows  asn_generate {official_s:8.2f} s  ours "
        f"{ours_s:7.4f} s  {official_s / ours_s:6.0f} times",
        flush=True,
    )


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--official", nargs="?", type=int, const=0, metavar="ROWS")
    wanted = parser.parse_args().official
    if wanted:
        print_ratio(next(iter(LARGE_POOLS)), wanted)
        return
    for name in LARGE_POOLS:
        print_ours(name)
        if wanted is not None:
            print_official(name)


if __name__ == "__main__":
    main()
