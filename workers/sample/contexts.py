"""The mappings of a CRDS cache: which reference is for which exposure."""

import hashlib
import pprint
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from crds.jwst import FILEKINDS
from jwst.stpipe.integration import get_steps

from ..contract import NOT_APPLICABLE
from .library import CONTEXTS, Reference
from .publishing import publish_text

__all__ = ["context_name", "sign", "write_contexts"]

_DATE_KEYS = ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME")
_USE_AFTER = "2022-01-01 00:00:00"
_UNSIGNED = "0" * 40

_UNLISTED = (
    "bkg", "distortion", "emicorr", "filteroffset", "mrsptcorr", "pastasoss", "psf",
    "regions", "specprofile", "specwcs", "speckernel",
)  # fmt: skip
"""Types that steps ask for although crds does not list them for JWST."""


def context_name(serial: int) -> str:
    """Name a context."""
    return f"jwst_{serial:04d}.pmap"


def sign(text: str) -> str:
    """Insert the checksum of a mapping: SHA-1 of all lines but its own."""
    lines = (line for line in text.splitlines(keepends=True) if "sha1sum" not in line)
    return text.replace(_UNSIGNED, hashlib.sha1("".join(lines).encode()).hexdigest())  # noqa: S324  # CRDS says SHA-1


def _mapping_text(header: Mapping[str, object], selector: str) -> str:
    full = {
        "derived_from": "made by Rewebb",
        "observatory": "JWST",
        "sha1sum": _UNSIGNED,
        **header,
    }
    return sign(f"header = {pprint.pformat(full)}\n\nselector = {selector}\n")


def _rmap_text(name: str, references: Sequence[Reference]) -> str:
    header = {
        "classes": ("Match", "UseAfter"),
        "filekind": references[0].reftype.upper(),
        "instrument": references[0].instrument,
        "mapping": "REFERENCE",
        "name": name,
        "parkey": (references[0].parkeys, _DATE_KEYS),
    }
    choices = "".join(
        f"    {each.match!r} : UseAfter({{\n        {_USE_AFTER!r} : {each.name!r},\n"
        "    }),\n"
        for each in sorted(references, key=lambda each: each.match)
    )
    return _mapping_text(header, f"Match({{\n{choices}}})")


def _name_rmap(kind: str, references: Sequence[Reference], context: int) -> str:
    """Name a rules file; contexts that offer the same files share one."""
    shared = all(each.contexts == CONTEXTS for each in references)
    instrument = references[0].instrument.lower()
    return f"jwst_{instrument}_{kind}_{1 if shared else context:04d}.rmap"


def _write_instrument(
    folder: Path,
    serial: int,
    instrument: str,
    references: Iterable[Reference],
    reftypes: Iterable[str],
) -> str:
    """Write the rules of one instrument in one context; return their name."""
    selection = dict.fromkeys(sorted(reftypes), NOT_APPLICABLE)
    by_type = sorted(references, key=lambda each: each.reftype)
    for reftype, group in groupby(by_type, key=lambda each: each.reftype):
        everywhere = list(group)
        here = [each for each in everywhere if serial in each.contexts]
        name = _name_rmap(reftype, everywhere, serial)
        publish_text(folder / name, _rmap_text(name, here))
        selection[reftype] = name
    imap = f"jwst_{instrument.lower()}_{serial:04d}.imap"
    header = {"instrument": instrument, "mapping": "INSTRUMENT", "name": imap}
    text = _mapping_text({**header, "parkey": ("REFTYPE",)}, pprint.pformat(selection))
    publish_text(folder / imap, text)
    return imap


def _write_context(
    folder: Path, serial: int, references: Iterable[Reference], reftypes: Iterable[str]
) -> None:
    by_instrument = sorted(references, key=lambda each: each.instrument)
    imaps = {
        instrument: _write_instrument(folder, serial, instrument, group, reftypes)
        for instrument, group in groupby(by_instrument, lambda each: each.instrument)
    }
    pmap = context_name(serial)
    header = {"mapping": "PIPELINE", "name": pmap, "parkey": ("META.INSTRUMENT.NAME",)}
    publish_text(folder / pmap, _mapping_text(header, pprint.pformat(imaps)))


def _all_reftypes() -> set[str]:
    """List what any step of the installed package may ask for."""
    steps = {f"pars-{name.rpartition('.')[2].lower()}" for name, _, _ in get_steps()}
    return {*FILEKINDS, *_UNLISTED, *steps} - {"all"}


def _server_config() -> str:
    return pprint.pformat(
        {
            "bad_files": "",
            "bad_files_list": [],
            "connected": False,
            "crds_version": {"str": "14.0.3"},
            "edit_context": context_name(1),
            "force_remote_mode": False,
            "last_synced": "2026-11-20 00:00:00",
            "latest_context": context_name(1),
            "observatory": "jwst",
            "operational_context": context_name(1),
            "status": "cache",
        }
    )


def write_contexts(cache: Path, references: Iterable[Reference]) -> None:
    """Write the mappings of both contexts and the configuration of the cache.

    Parameters
    ----------
    cache
        Folder of the CRDS cache.
    references
        Every choice of every context. Types without one are N/A.
    """
    chosen = list(references)
    reftypes = _all_reftypes()
    for serial in CONTEXTS:
        _write_context(cache / "mappings" / "jwst", serial, chosen, reftypes)
    config = cache / "config" / "jwst"
    publish_text(config / "server_config", _server_config() + "\n")
    publish_text(config / "ref_cache_subdir_mode", "instrument\n")
