"""What visitors look for, and how well a creative answers it."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from torch import Tensor

from ..data.catalog import Catalog, Creative, Query
from .encoder import tokens


def share_said(queries: Sequence[str], texts: Sequence[str]) -> Tensor:
    """[Q, n] share of each query's different words that each text says; what anyone can count, with no weights."""
    words = sorted({word for query in queries for word in tokens(query)})
    if not words or not len(texts):
        return torch.zeros(len(queries), len(texts))
    counter = CountVectorizer(analyzer=tokens, vocabulary=words, binary=True, dtype=np.float32)
    asked = counter.transform(queries)
    said = (asked @ counter.transform(texts).T).toarray()
    return torch.from_numpy(said / np.maximum(asked.sum(1), 1)).float()


class Queries:
    """The queries of a catalog; where it has none, each of its categories is one.

    A query that names a category is answered by every creative of that category. One that is a text is answered half
    by the category, half by saying its words back: the share of the query's words, by rarity, that the creative says.
    """

    def __init__(self, catalog: Catalog) -> None:
        """Takes the catalog's queries and categories."""
        self.catalog = catalog
        self._plain = not catalog.queries
        self.all = catalog.queries or tuple(Query(name, name) for name in catalog.categories)
        self.category = torch.tensor([catalog.categories.index(query.category) for query in self.all])
        """[Q] int64, index into the catalog's categories."""
        texts = [query.text for query in self.all]
        self._words = TfidfVectorizer(tokenizer=tokens, token_pattern=None, norm="l1", binary=True)
        self._asked = None if self._plain else self._words.fit_transform(texts)

    def __len__(self) -> int:
        return len(self.all)

    def category_of(self, creatives: Sequence[Creative]) -> Tensor:
        """[n] int64, the category of each creative's product."""
        return torch.tensor(self.catalog.category_of)[self.catalog.product_indices(creatives)]

    def match(self, creatives: Sequence[Creative]) -> Tensor:
        """[Q, n] in [0, 1]: how well each creative answers each query."""
        category = self.category_of(creatives)
        same = (self.category[:, None] == category[None]).float()
        if self._asked is None or not len(creatives):
            return same
        said = self._words.transform([creative.text for creative in creatives])
        said.data[:] = 1.0
        return 0.5 * same + 0.5 * torch.from_numpy(np.asarray((self._asked @ said.T).todense(), dtype=np.float32))

    def own(self, creatives: Sequence[Creative]) -> Tensor:
        """[n]: how well each creative answers the query it was written for; where it was written for none, how well it
        answers the queries of its category, on average.
        """
        match = self.match(creatives)
        number = {query.text: i for i, query in enumerate(self.all)}
        asked = torch.tensor([number.get(creative.audience, -1) for creative in creatives], dtype=torch.int64)
        category = self.category_of(creatives)
        mine = (self.category[:, None] == category[None]).float()
        average = (match * mine).sum(0) / mine.sum(0).clamp(min=1)
        return torch.where(asked < 0, average, match.gather(0, asked.clamp(min=0)[None])[0]) if len(self) else average

    def retrieve(self, creatives: Sequence[Creative], n: int) -> Tensor:
        """The n creatives that answer each query best, best first: [Q, n] int64, indices into `creatives`."""
        return self.match(creatives).topk(min(n, len(creatives)), dim=1).indices
