"""A PostgreSQL server of our own: in a temporary folder, gone after the tests."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["find_binaries", "running_server"]

_PASSWORD = "of-the-tests"
_PLACES = "/usr/lib/postgresql"
_MISSING = (
    "PostgreSQL is not installed, and the store must be tested on it: "
    "neither PATH nor /usr/lib/postgresql/*/bin holds initdb and pg_ctl "
    "(Debian and Ubuntu: apt-get install postgresql)."
)


_LIFE = """
"$1/pg_ctl" -D data -w -l log -o "$2" start >&2 && echo ready && read -r _
"$1/pg_ctl" -D data -w -m immediate stop >&2
rm -rf "$PWD"
"""
# The server lives while its input is open: it goes with us however we die.


@contextmanager
def running_server() -> Iterator[str]:
    """Run a server and give the URL of its database ``postgres``."""
    binaries = find_binaries()
    folder = Path(tempfile.mkdtemp(prefix="rewebb-pg-"))
    port = _free_port()
    try:
        _prepare(folder)
        initialise = [str(binaries / "initdb"), *_initdb_arguments(folder)]
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


def find_binaries() -> Path:
    """Find the folder of the server's programs, the newest version's first."""
    folders = sorted(Path(_PLACES).glob("*/bin"), key=_version, reverse=True)
    on_path = shutil.which("pg_ctl")
    if on_path:
        folders.append(Path(on_path).parent)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise RuntimeError(_MISSING)


def _version(folder: Path) -> float:
    try:
        return float(folder.parent.name)
    except ValueError:
        return 0.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _prepare(folder: Path) -> None:
    (folder / "password").write_text(_PASSWORD)
    (folder / "sockets").mkdir()
    account = _account()
    if account is not None:
        for path in (folder, folder / "password", folder / "sockets"):
            os.chown(path, account.pw_uid, account.pw_gid)


def _account() -> pwd.struct_passwd | None:
    """Give whom to run the server as when we are root, which it refuses."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _initdb_arguments(folder: Path) -> tuple[str, ...]:
    return (
        f"--pgdata={folder}/data",
        "--username=rewebb",
        f"--pwfile={folder}/password",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    )


def _options(folder: Path, port: int) -> str:
    # A time zone far from UTC and a slow disk spared.
    settings = "-c timezone=Pacific/Auckland -c fsync=off -c max_connections=50"
    return f"-p {port} -k {folder}/sockets -h 127.0.0.1 {settings}"


def _start(command: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    account = _account()
    return subprocess.Popen(
        command,
        cwd=folder,
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
