"""How large a job is, by what is known before it runs.

What jobs take (memory, time, disk) is linear in the counts of a `Workload`
(``config/costs.toml``). It is recorded with the job, so that what attempts took can be
fitted again.
"""

from dataclasses import dataclass

__all__ = ["Workload"]


@dataclass(frozen=True, slots=True)
class Workload:
    """The counts that decide what a job takes; 0 where nothing is known.

    The EXP_TYPE, which decides too, is that of the job.
    """

    pixels: int = 0
    """Pixels of a frame of the subarray."""
    groups: int = 0
    """Groups of an integration, as recorded."""
    integrations: int = 0
    """Integrations of an exposure, or of its segment."""
    members: int = 0
    """Exposures that it reads, whatever their role."""
    voxels: int = 0
    """Voxels of all cubes that it builds, as predicted."""
    window: int = 0
    """Pixels of the window that outlier detection of an IFU takes medians in."""

    @property
    def samples(self) -> int:
        """Samples of the ramps of an exposure."""
        return self.pixels * self.groups * self.integrations

    @property
    def values(self) -> int:
        """Pixels of all integrations of all members."""
        return self.pixels * self.integrations * self.members

    @property
    def window_values(self) -> int:
        """Values that outlier detection sorts at a time."""
        return self.pixels * self.window
