"""A CRDS cache of one reference, for those who only ask what is in it."""

from pathlib import Path

__all__ = ["write_cache"]

_SELECTORS = {
    "jwst_0001.pmap": "{'NIRSPEC': 'jwst_nirspec_0001.imap'}",
    "jwst_nirspec_0001.imap": "{'area': 'N/A', "
    "'photom': 'jwst_nirspec_photom_0001.rmap'}",
    "jwst_nirspec_photom_0001.rmap": "Match({('NRS1',): UseAfter({"
    "'2022-01-01 00:00:00': 'jwst_nirspec_photom_0001.fits'})})",
}


def write_cache(root: Path) -> Path:
    """Write the cache into a folder, and give the folder."""
    config = {"observatory": "jwst", "latest_context": "jwst_0001.pmap"}
    files = {
        "config/jwst/server_config": repr(config),
        "references/jwst/nirspec/jwst_nirspec_photom_0001.fits": "",
        **{
            f"mappings/jwst/{name}": f"header = {{}}\nselector = {selector}\n"
            for name, selector in _SELECTORS.items()
        },
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root
