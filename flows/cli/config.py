"""`rewebb config`: what is set."""

import typer

from .options import Archive, AsJson, DataDir
from .output import print_json, print_rows

__all__ = ["config_app", "show_settings"]

config_app = typer.Typer(no_args_is_help=True, help="The settings of this site.")

_HIDDEN = frozenset({"database_url"})
"""Settings that may hold a password."""


@config_app.command("show")
def show_settings(
    *, archive: Archive = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Show each setting, its value, and where the value comes from."""
    from config.settings import find_origins, load_settings

    given = {"archive": archive, "data_dir": data_dir}
    values = load_settings(**given).model_dump(mode="json")
    origins = find_origins()
    origins |= {name: f"--{name.replace('_', '-')}" for name in given if given[name]}
    for name in _HIDDEN:
        values[name] = _hide_password(values[name])
    if as_json:
        print_json({n: {"value": values[n], "origin": origins[n]} for n in values})
    else:
        rows = [(n, "-" if v is None else v, origins[n]) for n, v in values.items()]
        print_rows(("setting", "value", "from"), rows)


def _hide_password(url: str | None) -> str | None:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string() if url else None
    except ArgumentError:
        return "(not a URL)"
