"""On paper, too, nothing may round unseen."""

from support.exact import no_rounding

__all__ = ["no_rounding"]
