"""One module a revision, by number; they only go forward.

Who must go back restores a copy, or makes the database again with `rewebb db rebuild`,
which brings back everything but the runs.
"""

__all__: list[str] = []
