"""A read-only browser of what is recorded, with the protocols of the IVOA.

Pages are HTML that needs no script; the same is there as JSON (`api`), and for TOPCAT,
pyvo and others as VOTables (`vo`). Nothing can be written: no route takes anything but
GET, and the database is opened so that it cannot be changed.
"""

from .app import make_app

__all__ = ["make_app"]
