"""Circles on the sky as people write them."""

from ..errors import QueryError
from ..models.products import Cone

__all__ = ["parse_cone"]

_LONGEST = 200


def parse_cone(text: str) -> Cone:
    """Read ``RA,DEC,RADIUS``: degrees, or with units, or sexagesimal.

    ``83.63,22.01,0.1``, ``5h34m32s,+22d0m52s,2arcsec`` and ``5:34:32,22:0:52,2arcmin``
    mean what astropy makes of them; of a right ascension with colons the first part is
    hours.

    Raises
    ------
    QueryError
        It means nothing, or is not on the sky.
    """
    parts = [part.strip() for part in text[:_LONGEST].split(",")]
    if len(parts) != 3:
        raise QueryError(
            "Expected three angles, RA,DEC,RADIUS, such as 83.63,22.01,0.1 or "
            f"5h34m32s,+22d0m52s,2arcsec, got {text[:_LONGEST]!r}."
        )
    ra, dec, radius = parts
    hours = "hourangle" if ":" in ra else "deg"
    cone = (_to_deg(ra, hours), _to_deg(dec, "deg"), _to_deg(radius, "deg"))
    return Cone(*cone)


def _to_deg(text: str, unit: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    from astropy.coordinates import Angle  # a second: only when needed
    from astropy.units import UnitsError

    try:
        angle = Angle(text) if text[-1:].isalpha() else Angle(text, unit)
    except (ValueError, TypeError, UnitsError) as error:
        raise QueryError(
            f"Expected an angle such as 83.63, 5h34m32s or 2arcsec, got {text!r}."
        ) from error
    return float(angle.deg)
