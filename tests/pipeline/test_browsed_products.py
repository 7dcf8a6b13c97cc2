"""What the pipeline really makes, in the browser and in the tools of astronomers."""

import pytest
from astropy import units
from processed import Processed
from specutils import Spectrum
from web_site import open_site

from flows.factory import open_records
from flows.layout import get_database_url
from flows.models.products import ProductQuery


@pytest.mark.parametrize("kind", ["x1d", "s3d"])
def test_spectra_and_cubes_open_in_specutils_as_they_are(
    ifu: Processed, kind: str
) -> None:
    paths = sorted(ifu.folder.glob(f"jw99001-*_{kind}.fits"))
    assert paths
    for path in paths:
        spectrum = Spectrum.read(path)
        assert spectrum.spectral_axis.unit == units.um
        assert spectrum.flux.ndim == (3 if kind == "s3d" else 1)
        assert (spectrum.flux.value > 0).any()


def test_every_product_has_a_page_on_which_it_is_seen(ifu: Processed) -> None:
    with open_records(ifu.settings) as database:
        found = database.products.find(ProductQuery())
    data_dir = ifu.settings.data_dir
    with open_site(get_database_url(ifu.settings), data_dir) as site:
        for one in found:
            page = site.get(f"/products/{one.fingerprint}/{one.product.name}")
            assert page.status_code == 200
            assert "Nothing can be seen of it" not in page.text
            is_seen = '<figure id="still">' in page.text
            assert is_seen == (one.kind in {"x1d", "s3d"}), one.product.name
