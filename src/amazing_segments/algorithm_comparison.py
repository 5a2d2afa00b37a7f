"""Compare the model with other ways to segment the same users, and say why it was chosen or not."""

import multiprocessing
import pickle
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans, MiniBatchKMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from amazing_segments.cluster_stability import FEW_USERS, separation
from amazing_segments.k_selection import (
    MAX_USEFUL_K,
    MIN_SEGMENT_SHARE,
    MIN_TRAINING_USERS,
    MIN_USEFUL_K,
    SILHOUETTE_USERS,
)
from amazing_segments.model_versions import (
    ALGORITHM_COMPARISON_TYPES,
    empty,
)
from amazing_segments.segmentation import N_INIT, PLACES, RANDOM_STATE, assign, fit_preparation

# Rivals look at this many users; those whose time or memory grows with its square at fewer.
COMPARED_USERS = 10_000
QUADRATIC_USERS = 5_000
# Pairs of samples that must give the same segments; of few users one, for a build waits for it.
REPEATS = 3
UNASSIGNED = -1
# what the operating system counts a peak in
PEAK_BYTES = 1 if sys.platform == "darwin" else 1024
# What differs by less is not told apart in words, and more in one segment tells nobody apart.
LEAST_DIFFERENCE = 0.02
LARGEST_USEFUL_SHARE = 0.5


class RfmRules(ClusterMixin, BaseEstimator):
    """The groups that marketing makes of recency, frequency and monetary value, by quintiles.

    Each of the three gives buyers 1 to 5 points (Hughes 1994, Strategic Database Marketing); the
    groups are those of recency against the mean of the other two. Customers without an order are a
    group of their own.

    Attributes:
        cuts_: The quintiles of each column among buyers, shape (3, 4).
    """

    GROUPS = ("no_order", "champions", "loyal", "at_risk", "new", "need_attention", "hibernating")

    def fit(self, X: np.ndarray, y: None = None) -> "RfmRules":  # noqa: N803, ARG002
        """Find the quintiles.

        Args:
            X: Days since the last order (NaN without one), orders and revenue, shape (n_users, 3).
            y: Not used.
        """
        buyers = X[X[:, 1] > 0]
        fifths = np.arange(1, 5) / 5
        self.cuts_ = (
            np.quantile(buyers, fifths, axis=0).T if len(buyers) else np.full((3, 4), np.inf)
        )
        self.labels_ = self.predict(X)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Return the position in `GROUPS` of each user, shape (n_users,)."""
        days, orders, revenue = (
            1 + np.searchsorted(cuts, column) for cuts, column in zip(self.cuts_, X.T, strict=True)
        )
        recent, worth = 6 - days, (orders + revenue) / 2
        return np.select(
            [
                X[:, 1] == 0,
                (recent >= 4) & (worth >= 4),
                (recent >= 3) & (worth >= 3),
                worth >= 3,
                recent >= 4,
                recent == 3,
            ],
            range(6),
            default=6,
        )


@dataclass(frozen=True)
class Rival:
    """A way to segment users.

    Attributes:
        algorithm: Its name.
        data: What it looks at, a row per user.
        settle: Returns the estimator with its settings, from those data; in another process.
    """

    algorithm: str
    data: np.ndarray
    settle: Callable[[np.ndarray], BaseEstimator]


class Fit(NamedTuple):
    """What a rival makes of its data.

    Attributes:
        estimator: With its settings, not fitted.
        labels: The segment of each user, shape (n_users,).
        bic: Of a mixture, else NaN.
        seconds: Time to settle and to fit.
        peak_memory_mb: By how much the process grew meanwhile at most, in MiB.
    """

    estimator: BaseEstimator
    labels: np.ndarray
    bic: float
    seconds: float
    peak_memory_mb: float


def compare_algorithms(
    users: pd.DataFrame, transforms: dict[str, str], parameters: pd.DataFrame, model_version: int
) -> pd.DataFrame:
    """Segment the same users with the model's algorithm and its rivals.

    KMeans after PCA is the model's own; KMeans without PCA shows whether the projection pays
    (Arabie & Hubert 1994 warn of clustering after a projection). Mini-batch KMeans, mixture, Ward
    (1963), HDBSCAN (Campello et al. 2013) and DBSCAN (Ester et al. 1996) look at the same
    coordinates as the model, RFM rules at orders alone.

    Args:
        users: As for `fit_preparation`, with order_recency_days, order_session_share and
            revenue_per_session; the first `COMPARED_USERS` are looked at, by Ward, HDBSCAN and
            DBSCAN the first `QUADRATIC_USERS`.
        transforms: Those of the version.
        parameters: The rows of `fit_parameters` of the version.
        model_version: The version.

    Returns:
        One row per algorithm, with the columns of `ALGORITHM_COMPARISON_TYPES`: stability is the
        mean adjusted Rand index between the segments that the models of two halves give to all
        users, or, where an algorithm cannot assign users it has not seen, between those that two
        samples give to the third of the users that they share, unassigned ones as a segment of
        their own. separation is the silhouette of the assigned users among the first
        `SILHOUETTE_USERS`, in the scaled features, unprojected. Null where there is no figure. No
        row where there are fewer than `MIN_TRAINING_USERS` users.

    """
    if len(users) < MIN_TRAINING_USERS:
        return empty(ALGORITHM_COMPARISON_TYPES)
    sample = users.head(COMPARED_USERS)
    segments = assign(parameters, transforms, sample)["segment"].to_numpy()
    preparation = fit_preparation(sample, transforms)
    # rounded: warehouses differ in the last bits, and ties would be decided by them
    scaled = preparation.scaler.transform(preparation.clip(sample)).round(PLACES)
    with threadpool_limits(1), warnings.catch_warnings():
        # a rival that does not converge is told by its figures
        warnings.simplefilter("ignore")
        rivals = _rivals(
            scaled,
            preparation.transform(sample).round(PLACES),
            _orders(sample),
            int(parameters["segment"].max()),
        )
        rows = [
            _measure(rival, fit, scaled, segments)
            for rival, fit in zip(rivals, fit_apart(rivals), strict=True)
        ]
    return (
        explain(pd.DataFrame(rows))
        .assign(model_version=model_version)[list(ALGORITHM_COMPARISON_TYPES)]
        .astype(ALGORITHM_COMPARISON_TYPES)
    )


def _rivals(
    scaled: np.ndarray, coordinates: np.ndarray, orders: np.ndarray, n_clusters: int
) -> list[Rival]:
    kmeans = KMeans(n_clusters, n_init=N_INIT, random_state=RANDOM_STATE)
    mini_batch = MiniBatchKMeans(n_clusters, n_init=N_INIT, random_state=RANDOM_STATE)
    few = coordinates[:QUADRATIC_USERS]
    least = max(5, int(MIN_SEGMENT_SHARE * len(few)))
    return [
        Rival("kmeans_pca", coordinates, partial(_settled, kmeans)),
        Rival("kmeans", scaled, partial(_settled, kmeans)),
        Rival("mini_batch_kmeans", coordinates, partial(_settled, mini_batch)),
        Rival("gaussian_mixture", coordinates, partial(best_mixture, n_clusters)),
        Rival("ward", few, partial(_settled, AgglomerativeClustering(n_clusters))),
        Rival("hdbscan", few, partial(_settled, HDBSCAN(least, copy=True))),
        Rival("dbscan", few, dbscan_at_the_knee),
        Rival("rfm_rules", orders, partial(_settled, RfmRules())),
    ]


def _settled(estimator: BaseEstimator, data: np.ndarray) -> BaseEstimator:  # noqa: ARG001
    return estimator


def _orders(users: pd.DataFrame) -> np.ndarray:
    """Return days since the last order, orders and revenue, shape (n_users, 3)."""
    sessions = users["session_count"].to_numpy(dtype=float)
    return np.column_stack(
        [
            users["order_recency_days"].to_numpy(dtype=float),
            np.rint(users["order_session_share"].to_numpy(dtype=float) * sessions),
            users["revenue_per_session"].to_numpy(dtype=float) * sessions,
        ]
    ).round(PLACES)


def best_mixture(n_clusters: int, data: np.ndarray) -> GaussianMixture:
    """Return the mixture of the lowest BIC among few numbers of components (Schwarz 1978).

    Args:
        n_clusters: A number that is tried beside the least and the most that are of use.
        data: Shape (n_users, n_components).
    """
    candidates = [
        GaussianMixture(number, random_state=RANDOM_STATE)
        for number in sorted({MIN_USEFUL_K, n_clusters, MAX_USEFUL_K})
    ]
    return min(candidates, key=lambda mixture: clone(mixture).fit(data).bic(data))


def dbscan_at_the_knee(data: np.ndarray) -> DBSCAN:
    """Return DBSCAN with the radius that the k-distance rule gives.

    The rule of Sander et al. 1998: a core has twice as many neighbours as there are dimensions, and
    the radius is where the sorted distances to the last of them bend: the point furthest below the
    straight line between the first and the last.

    Args:
        data: Shape (n_users, n_components).
    """
    neighbours = min(2 * data.shape[1], len(data))
    distances = NearestNeighbors(n_neighbors=neighbours).fit(data).kneighbors()[0][:, -1]
    curve = np.sort(distances)
    line = np.linspace(curve[0], curve[-1], len(curve))
    # no radius is 0, which users at one place would give
    return DBSCAN(eps=max(curve[np.argmax(line - curve)], 1e-9), min_samples=neighbours)


def fit_apart(rivals: Sequence[Rival]) -> list[Fit | None]:
    """Settle and fit each rival in a process of its own, whose peak memory is then that of the fit.

    Forked from a process that does nothing else: this one may have threads of DuckDB and of dbt,
    which no fork survives, and beside which tracemalloc crashes (python/cpython issue 128679).

    Returns:
        What each made of its data; None where there are too few for it, where they do not vary, or
        where memory did not suffice.
    """
    done = subprocess.run(
        [sys.executable, "-c", f"import {__name__} as rivals; rivals.answer()"],
        input=pickle.dumps(rivals),
        stdout=subprocess.PIPE,
        check=True,
    )
    # written by the line above
    return pickle.loads(done.stdout)  # noqa: S301


def answer() -> None:
    """Fit the rivals that standard input holds, and write what came of it to standard output."""
    fits: list[Fit | None] = []
    for rival in pickle.load(sys.stdin.buffer):  # noqa: S301
        try:
            with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as process:
                fits.append(process.submit(_fit, rival).result())
        except (ValueError, np.linalg.LinAlgError, BrokenExecutor):
            fits.append(None)
    pickle.dump(fits, sys.stdout.buffer)


def _fit(rival: Rival) -> Fit:
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        estimator = rival.settle(rival.data)
        fitted = clone(estimator)
        labels = fitted.fit_predict(rival.data)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        bic = fitted.bic(rival.data) if isinstance(fitted, GaussianMixture) else np.nan
    return Fit(estimator, labels, bic, seconds, peak * PEAK_BYTES / 2**20)


def _measure(
    rival: Rival, fit: Fit | None, scaled: np.ndarray, segments: np.ndarray
) -> dict[str, object]:
    """Return the figures of a rival: NaN is what cannot be told; no segment, a failed fit."""
    n_users = len(rival.data)
    row = {
        "algorithm": rival.algorithm,
        "is_chosen": rival.algorithm == "kmeans_pca",
        "user_count": n_users,
        "segment_count": 0,
        "can_assign_new_customers": False,
        **dict.fromkeys(
            (
                "stability",
                "separation",
                "unassigned_share",
                "largest_share",
                "agreement_with_model",
                "bic",
                "seconds",
                "peak_memory_mb",
            ),
            np.nan,
        ),
    }
    if fit is None:
        return row
    labels = fit.labels
    assigned = labels != UNASSIGNED
    sizes = np.bincount(labels[assigned]) if assigned.any() else np.zeros(1, dtype=int)
    first = assigned & (np.arange(n_users) < SILHOUETTE_USERS)
    return row | {
        "can_assign_new_customers": hasattr(fit.estimator, "predict"),
        "seconds": fit.seconds,
        "peak_memory_mb": fit.peak_memory_mb,
        "segment_count": int((sizes > 0).sum()),
        "unassigned_share": 1 - assigned.mean(),
        "largest_share": sizes.max() / n_users,
        "separation": separation(scaled[:n_users][first], labels[first]),
        "agreement_with_model": adjusted_rand_score(segments[:n_users], labels),
        "stability": _stability(fit.estimator, rival.data) if (sizes > 0).sum() > 1 else np.nan,
        "bic": fit.bic,
    }


def _stability(estimator: BaseEstimator, data: np.ndarray) -> float:
    chance = np.random.default_rng(RANDOM_STATE)
    indices = []
    for _ in range(REPEATS if len(data) >= FEW_USERS else 1):
        place = chance.permutation(len(data))
        try:
            if hasattr(estimator, "predict"):
                one, other = (
                    clone(estimator).fit(data[place % 2 == half]).predict(data) for half in (0, 1)
                )
            else:
                # two thirds each, one of which they share
                third = place % 3
                one, other = (
                    clone(estimator).fit_predict(data[third != left])[third[third != left] == 2]
                    for left in (0, 1)
                )
        except (ValueError, np.linalg.LinAlgError):
            return np.nan
        indices.append(adjusted_rand_score(one, other))
    return float(np.mean(indices))


def explain(compared: pd.DataFrame) -> pd.DataFrame:
    """Add why each algorithm was chosen or not, from the figures: reason_en and reason_fr.

    Args:
        compared: algorithm, is_chosen, can_assign_new_customers, segment_count, unassigned_share,
            largest_share, stability, separation; one row is chosen.
    """
    model = next(row for row in compared.itertuples() if row.is_chosen)
    verdicts = {
        row.algorithm: _against(row, model) for row in compared.itertuples() if not row.is_chosen
    }
    is_best = all(not better or worse for worse, better in verdicts.values())
    reasons = [
        _why_chosen(row, is_best) if row.is_chosen else _why_not(row, *verdicts[row.algorithm])
        for row in compared.itertuples()
    ]
    english, french = zip(*reasons, strict=True)
    return compared.assign(reason_en=english, reason_fr=french)


# a phrase in English and in French
Phrase = tuple[str, str]


def _against(row: object, model: object) -> tuple[list[Phrase], list[Phrase]]:
    """Return in what an algorithm is worse than the model, and in what better."""
    worse, better = [], []
    if not row.can_assign_new_customers and model.can_assign_new_customers:
        worse.append(
            (
                "it cannot assign new customers",
                "il ne sait pas affecter de nouveaux clients",
            )
        )
    if row.unassigned_share >= LEAST_DIFFERENCE:
        share = _percent(row.unassigned_share)
        worse.append((f"it leaves {share} without a segment", f"il laisse {share} sans segment"))
    if not MIN_USEFUL_K <= row.segment_count <= MAX_USEFUL_K:
        worse.append(
            (
                f"its number of segments is {row.segment_count}, of use are {MIN_USEFUL_K} to "
                f"{MAX_USEFUL_K}",
                f"son nombre de segments est {row.segment_count}, l'utile va de {MIN_USEFUL_K} à "
                f"{MAX_USEFUL_K}",
            )
        )
    if row.largest_share >= LARGEST_USEFUL_SHARE > model.largest_share:
        share = _percent(row.largest_share)
        worse.append(
            (f"{share} are in one segment", f"{share} des clients sont dans un seul segment")
        )
    for name, english, french in (
        ("stability", "found again", "retrouvé"),
        ("separation", "separated", "séparé"),
    ):
        own, its = getattr(row, name), getattr(model, name)
        figures = f"({_figure(own)[0]} against {_figure(its)[0]})"
        chiffres = f"({_figure(own)[1]} contre {_figure(its)[1]})"
        if own <= its - LEAST_DIFFERENCE:
            worse.append((f"less well {english} {figures}", f"moins bien {french} {chiffres}"))
        elif own >= its + LEAST_DIFFERENCE:
            better.append((f"better {english} {figures}", f"mieux {french} {chiffres}"))
    return worse, better


def _why_chosen(row: object, is_best: bool) -> Phrase:
    stability, separated = _figure(row.stability), _figure(row.separation)
    english = (
        f"Chosen: stability {stability[0]}, separation {separated[0]}, {row.segment_count} "
        "segments; it assigns new customers in SQL, with reasons. "
    )
    french = (
        f"Retenu : stabilité {stability[1]}, séparation {separated[1]}, {row.segment_count} "
        "segments ; il affecte les nouveaux clients en SQL, avec raisons. "
    )
    if is_best:
        return (
            english + "No other is better at one of these without being worse elsewhere.",
            french + "Aucun autre n'est meilleur sur un point sans être moins bon ailleurs.",
        )
    return (
        english + "Another is better without being worse elsewhere: see its row.",
        french + "Un autre est meilleur sans être moins bon ailleurs : voir sa ligne.",
    )


def _why_not(row: object, worse: list[Phrase], better: list[Phrase]) -> Phrase:
    if row.segment_count == 0:
        return ("Not chosen: it found no segment.", "Non retenu : il n'a trouvé aucun segment.")
    against = [", ".join(phrases) for phrases in zip(*worse, strict=True)]
    favour = [", ".join(phrases) for phrases in zip(*better, strict=True)]
    if against and favour:
        return (
            f"Not chosen: {against[0]}; though {favour[0]}.",
            f"Non retenu : {against[1]} ; pourtant {favour[1]}.",
        )
    if against:
        return f"Not chosen: {against[0]}.", f"Non retenu : {against[1]}."
    if favour:
        return (
            f"Worth a look: {favour[0]}, and worse in nothing that was measured.",
            f"À étudier : {favour[1]}, et moins bon en rien de ce qui a été mesuré.",
        )
    return (
        "Not chosen: no better than the model in what was measured.",
        "Non retenu : pas meilleur que le modèle dans ce qui a été mesuré.",
    )


def _figure(value: float) -> Phrase:
    if np.isnan(value):
        return "not measured", "non mesurée"
    return f"{value:.2f}", f"{value:.2f}".replace(".", ",")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
