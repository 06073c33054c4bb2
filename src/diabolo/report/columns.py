"""How well each column of a table comes back, beside PCA of the same size and the best constant guess."""

from dataclasses import dataclass

import numpy as np

from diabolo.data.adapters import Rows, TableAdapter
from diabolo.model.model import Model

LEVELLED = ("category", "boolean")


@dataclass(frozen=True, kw_only=True)
class ColumnFigures:
    """One column, judged on the cells that are there.

    Attributes:
        measure: "R2": the share of the variance that is explained; "right": the share of cells that come back.
        model, pca: of the reconstruction.
        guess: of the mean, or of the commonest level.
    """

    name: str
    kind: str
    measure: str
    model: float
    pca: float
    guess: float

    @property
    def left(self) -> float:
        """The share of what the guess leaves that the model leaves too, in [0, 1] unless it is worse."""
        return (1 - self.model) / (1 - self.guess) if self.guess < 1 else 0.0

    @property
    def left_by_pca(self) -> float:
        """The same of PCA."""
        return (1 - self.pca) / (1 - self.guess) if self.guess < 1 else 0.0


def judge_columns(model: Model, train: Rows, judge: Rows) -> list[ColumnFigures]:
    """Return the figures of each column of a table, on rows (n, columns); PCA is fitted on `train`."""
    adapter = model.adapter
    assert isinstance(adapter, TableAdapter), "only tables have columns of several kinds"
    ours, theirs = model.reconstruct(judge), _by_pca(adapter, train, judge, model.network.latent_dim)
    figures = []
    for at, (name, feature) in enumerate(zip(adapter.names, adapter.features, strict=True)):
        there = ~np.isnan(judge[:, at])
        known = train[:, at][~np.isnan(train[:, at])]
        truth = judge[there, at]
        if not len(truth) or not len(known):
            continue
        levelled = feature.kind in LEVELLED
        measure = _right if levelled else _explained
        guess = np.full(len(truth), np.bincount(known.astype(np.int64)).argmax() if levelled else truth.mean())
        figures.append(
            ColumnFigures(
                name=name,
                kind=feature.kind,
                measure="right" if levelled else "R2",
                model=measure(truth, ours[there, at]),
                pca=measure(truth, theirs[there, at]),
                guess=measure(truth, guess),
            )
        )
    return figures


def _right(truth: Rows, guess: Rows) -> float:
    return float((truth == guess).mean())


def _explained(truth: Rows, guess: Rows) -> float:
    spread = float(np.square(truth - truth.mean()).sum())
    left = float(np.square(truth - guess).sum())
    return 1 - left / spread if spread else float(left == 0)


def _by_pca(adapter: TableAdapter, train: Rows, judge: Rows, components: int) -> Rows:
    """Return rows as PCA of their tensors brings them back."""
    known, seen = adapter.adapt(train), adapter.adapt(judge)
    components = min(components, *known.shape)
    if len(known) < 2 or not np.ptp(known, axis=0).any():
        return adapter.restore(np.broadcast_to(known.mean(axis=0), seen.shape))
    from sklearn.decomposition import PCA

    pca = PCA(components, random_state=0).fit(known)
    back = pca.inverse_transform(pca.transform(seen))
    # Odds and counts are told as such, and not as what the decoder ends in.
    wide = len(adapter.owners)
    bernoulli = slice(adapter.loss.gaussian + adapter.loss.poisson, wide - sum(adapter.loss.levels))
    back[:, bernoulli] -= 0.5
    poisson = slice(adapter.loss.gaussian, adapter.loss.gaussian + adapter.loss.poisson)
    back[:, poisson] = np.log(np.maximum(back[:, poisson], 1e-9))
    return adapter.restore(back)
