"""What the pipelines of the installed `jwst` accept, listed once in a process."""

from functools import cache

from workers.contract import CodeSpecs

__all__ = ["get_installed_specs"]


@cache
def get_installed_specs() -> CodeSpecs:
    """List it, as a worker would; it imports `jwst`."""
    from workers.stages.specs import list_specs

    return list_specs()
