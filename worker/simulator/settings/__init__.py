"""The settings of a tenant: eight kinds of entries, described in `resources`, held alike and served alike."""

from .collection import Change, Collection
from .resources import RESOURCES
from .seeded import furnish

__all__ = ["RESOURCES", "Change", "Collection", "furnish"]
