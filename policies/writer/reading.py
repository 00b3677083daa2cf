"""How a text reads to a frozen writer: how likely it is, and whether its words were ever put together."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from ...simulation.data.catalog import Catalog, Creative
from .likelihood import token_log_probs
from .placeholders import to_template
from .prompts import prompt
from .word_pairs import Unread, cut
from .writer import Writer

WINDOW = 3
"""Tokens in a row, of which the worst are looked at."""
KEPT = 4
"""Lists of texts whose reading is kept: several judges ask for the same ones."""


class FrozenReader:
    """A copy of a writer, as it is when this is made, that reads the texts of others."""

    def __init__(self, writer: Writer, catalog: Catalog) -> None:
        """Keeps the copy; the catalog's own words are known to it."""
        model = copy.deepcopy(writer.model).requires_grad_(False).eval()
        self._writer = Writer(
            model, writer.tokenizer, writer.config, word_pairs=writer.word_pairs, request=writer.request
        )
        self.fingerprint = self._writer.fingerprint()
        """Of the copy: equal for equal readers."""
        self._catalog = catalog
        fields = (f"{p.title}. {p.brand}. {p.description}. {p.attribute_values}" for p in catalog.products)
        self._own = frozenset(word for text in (*fields, *catalog.texts()) for word in cut(text))
        self._log: dict[tuple[str, str], Tensor] = {}
        self._kept: dict[tuple[tuple[str, str], ...], Tensor] = {}

    def about(self, catalog: Catalog) -> "FrozenReader":
        """The same reader, asked about another catalog; it has read none of its texts."""
        return FrozenReader(self._writer, catalog)

    def keep(self, log: Sequence[Creative]) -> None:
        """Reads the texts of a log, which many will ask for, once and for all."""
        texts = {(creative.product_id, creative.text): creative for creative in log}
        self._log = {}
        self._log = dict(zip(texts, self._nats(list(texts.values())), strict=True))

    def __call__(self, creatives: Sequence[Creative]) -> Tensor:
        """[n, K] float32: `nats`, and `unread` if the writer knows what it has read."""
        nats, unread = self.nats(creatives), self.unread(creatives)
        return nats if unread is None else torch.cat([nats, unread], dim=1)

    def nats(self, creatives: Sequence[Creative]) -> Tensor:
        """[n, 2] nats a token of each text, and of its worst `WINDOW` tokens in a row.

        Texts are read as lines for everyone: whether one fits its audience is for the effect model to say.
        """
        key = tuple((creative.product_id, creative.text) for creative in creatives)
        if key not in self._kept:
            # Only what depends on this list and the log: a run that is resumed has forgotten other lists.
            fresh = {text: creative for text, creative in zip(key, creatives, strict=True) if text not in self._log}
            read = self._log | dict(zip(fresh, self._nats(list(fresh.values())), strict=True))
            rows = [read[text] for text in key]
            self._kept[key] = torch.stack(rows) if rows else torch.zeros(0, 2)
            for old in list(self._kept)[:-KEPT]:
                del self._kept[old]
        return self._kept[key]

    def _nats(self, creatives: Sequence[Creative]) -> Tensor:
        asked = [prompt(self._catalog[creative.product_id]) for creative in creatives]
        scored = token_log_probs(self._writer, asked, [creative.text for creative in creatives])
        out = torch.zeros(len(creatives), 2)
        for i, log_probs in enumerate(scored):
            windows = log_probs.unfold(0, min(WINDOW, len(log_probs)), 1).mean(1)
            out[i] = torch.stack([-log_probs.mean(), -windows.min()])
        return out

    def unread(self, creatives: Sequence[Creative]) -> Tensor | None:
        """[n, 3] words, pairs of words, and seldom pairs that its corpus has not, see `Unread`; None where no writer
        knows.
        """
        pairs = self._writer.word_pairs
        if pairs is None:
            return None
        asked = (prompt(self._catalog[creative.product_id], creative.audience) for creative in creatives)
        templates = (to_template(creative.text, question) for creative, question in zip(creatives, asked, strict=True))
        rows = [pairs.unread(template, self._own) for template in templates]
        return torch.tensor(rows, dtype=torch.float32).reshape(-1, len(Unread._fields))
