import numpy as np
import pytest

from workers.sample.scene import Line, Position, Spectrum


def test_a_line_adds_its_flux_to_the_continuum() -> None:
    line = Line(2.0, 0.02, 3e-5)
    spectrum = Spectrum(1e-5, -0.5, (line,))
    wavelength = np.linspace(1.8, 2.2, 2001)
    excess = spectrum.flux(wavelength) - spectrum.continuum(wavelength)
    assert np.trapezoid(excess, wavelength) == pytest.approx(line.flux_jy_um)


def test_the_continuum_is_given_at_two_microns() -> None:
    spectrum = Spectrum(1e-5, -0.5, ())
    assert spectrum.continuum(np.array([2.0, 8.0])) == pytest.approx([1e-5, 5e-6])


def test_offsets_are_those_that_a_place_was_shifted_by() -> None:
    centre = Position(150.0, 60.0)
    moved = centre.shifted(0.3, -0.2)
    offsets = centre.offsets_arcsec(np.array([moved.ra]), np.array([moved.dec]))
    assert np.ravel(offsets) == pytest.approx([0.3, -0.2], abs=1e-6)
