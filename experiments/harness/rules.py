"""Options of what may be published: a platform's limits, and rules."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...policies.compliance.claims import Kind
from ...policies.compliance.filter import UNSUPPORTED, Compliance
from ...policies.compliance.rules import BUILT_IN
from ...simulation.data.catalog import Catalog, Product

NOTHING = Catalog([Product("", "", "", 0.0)])
"""What texts are about where no catalog is given: nothing supports a price or a brand."""


@dataclass(frozen=True)
class RulesOptions:
    """Which texts may be published."""

    platform: str = ""
    """Whose limits hold: search-headline, search-description, feed-headline, feed-text, display-headline or
    marketplace-title; by default none."""
    rules: str = BUILT_IN
    """What texts may not say: built-in, none, or a YAML file of your own, beside the built-in rules or in their place
    (docs/commands/check.md)."""

    def compliance(self, catalog: Catalog, unsupported: Sequence[Kind] = UNSUPPORTED) -> Compliance:
        """What says which texts for the products of a catalog may be published; see `Compliance.of`.

        Raises:
            InputError: no such platform, or a bad file of rules.
        """
        return Compliance.of(catalog, self.platform, self.rules, unsupported)
