"""What is measured in products: pure functions of arrays, and how products give them.

What each name of a measurement means is data: ``config/measurements.toml``.
"""

from .measure import measure

__all__ = ["measure"]
