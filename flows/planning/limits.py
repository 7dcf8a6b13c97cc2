"""Jobs that no node can do: why, and what to change (pure)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod

from workers.contract import Status, Usage

__all__ = ["Limits", "explain_memory", "explain_voxels"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may take."""

    most_voxels: int
    """Voxels of one cube."""
    find_largest_bytes: Callable[[], int] | None = None
    """Tells the memory of the largest node; None while there is no cluster."""


def explain_voxels(
    cubes: Iterable[tuple[int, int, int]], limits: Limits, *, exp_type: str
) -> str | None:
    """Explain why a cube is too large; None if all may be built."""
    largest = max(cubes, key=prod, default=(0, 0, 0))
    voxels = prod(largest)
    if voxels <= limits.most_voxels:
        return None
    choose = "channel and band" if exp_type == "MIR_MRS" else "grating and filter"
    return (
        f"its cube would have {voxels:.2g} voxels ({largest[0]} wavelengths of "
        f"{largest[2]} x {largest[1]} spaxels), more than the {limits.most_voxels:.2g} "
        "of the setting most_voxels: set a larger scalexy or scalew of cube_build in "
        f'the recipe, or build less in one cube (output_type = "band", {choose}, '
        "wavemin and wavemax)"
    )


def explain_memory(
    peak_bytes: int,
    usages: Iterable[tuple[Status, Usage]],
    limits: Limits,
    *,
    is_waiting: bool,
) -> str | None:
    """Explain why no node has the memory for a job; None if one may have.

    Parameters
    ----------
    peak_bytes
        What it is expected to take.
    usages
        What the latest attempts at the same product took, newest first; a success
        is known better.
    is_waiting
        Whether it waits for inputs, and may be reused once they are there.
    """
    if limits.find_largest_bytes is None:
        return None
    largest_bytes = limits.find_largest_bytes()
    if peak_bytes <= largest_bytes:
        return None
    taken = [usage.peak_bytes for status, usage in usages if status is Status.SUCCEEDED]
    if taken and (is_waiting or taken[0] <= largest_bytes):
        return None
    needed = taken[0] if taken else peak_bytes
    return (
        f"it needs about {needed / 1e9:.1f} GB of memory, and the largest node has "
        f"{largest_bytes / 1e9:.1f} GB: give it a larger node, or let it do less (a "
        "recipe sets the sampling of cubes, and the kernel_size of outlier_detection)"
    )
