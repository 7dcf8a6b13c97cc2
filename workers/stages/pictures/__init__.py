"""Pictures of products: what is seen in them, drawn beside them by the workers."""

from .drawing import draw_product

__all__ = ["draw_product"]
