"""The protocols of the IVOA: SSA 1.1, DataLink 1.1, and tables of ObsCore 1.1."""

from . import links, ssa
from .addresses import router

__all__ = ["ROUTERS"]

ROUTERS = (router, ssa.router, links.router)
"""What answers requests of these protocols."""
