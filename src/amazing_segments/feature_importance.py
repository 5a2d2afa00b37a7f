"""Tell which features make the segments, which repeat others, and which measure the data itself."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score
from threadpoolctl import threadpool_limits

from amazing_segments.k_selection import MIN_TRAINING_USERS
from amazing_segments.model_versions import (
    FEATURE_IMPORTANCE_TYPES,
    empty,
)
from amazing_segments.segmentation import (
    PLACES,
    RANDOM_STATE,
    assign,
    fit_clusters,
    fit_preparation,
)

# What shuffles users or fits models anew looks at this many users, the rest at all.
REFIT_USERS = 20_000
PERMUTATIONS = 5

# The day on which the shop began to log four times as many carts.
CART_LOGGING_ROSE_ON = pd.Timestamp("2019-11-08")
MIN_SIDE_USERS = 100

MAX_CORRELATION = 0.9
MAX_TENURE_CORRELATION = 0.5
# Rubin 2001: groups whose means differ by more than a quarter of a deviation are no longer alike.
MAX_SHIFT = 0.25


def measure_features(
    users: pd.DataFrame,
    catalogue: pd.DataFrame,
    parameters: pd.DataFrame,
    transforms: dict[str, str],
) -> pd.DataFrame:
    """Measure what each feature is to a model, and what else it measures.

    Every figure is of the feature as the model takes it (or would): transformed and clipped.

    Args:
        users: One row per user, sorted by key; session_count, first_event_at, last_event_at and
            every feature of the catalogue, which may be missing where it is not of the model.
        catalogue: position, feature, family, transform.
        parameters: The rows of `fit_parameters` of one version.
        transforms: Those of that version, see `model_versions.transforms_of`.

    Returns:
        One row per feature, with the columns of `FEATURE_IMPORTANCE_TYPES`. A figure that cannot be
        told (a constant feature, too few users) is missing. No row where there are fewer than
        `MIN_TRAINING_USERS` users.

        permutation_importance is the share of the users whose segment changes when the feature
        alone is shuffled among them (Breiman 2001, Random forests), mean of `PERMUTATIONS`;
        variance_between_segments is eta squared; agreement_without_family is the adjusted Rand
        index between the model's segments and those of a model with as many, fitted without the
        features of the same family, and agreement_of_refit that of one fitted with all of them.

        tenure_correlation is Spearman's, without its sign. cart_logging_shift is the standardised
        difference of means (Austin 2009, Balance diagnostics) between the users who came only
        after `CART_LOGGING_ROSE_ON` and those who came only before it, usual_shift the same for the
        middle of the time since, when nothing was changed. segments_by_tenure and
        segments_by_cart_logging are the adjusted mutual information (Vinh, Epps & Bailey 2010) of
        the segments with the quarters of tenure and with those two groups of users.

    """
    if len(users) < MIN_TRAINING_USERS:
        return empty(FEATURE_IMPORTANCE_TYPES)
    catalogue = catalogue.sort_values("position").set_index("feature")
    values = _as_a_model_takes_them(users, catalogue["transform"])
    segments = assign(parameters, transforms, users)["segment"]
    rose_on = _sides(users, CART_LOGGING_ROSE_ON)
    since = users[rose_on == "after"]
    middle = CART_LOGGING_ROSE_ON + (since["last_event_at"].max() - CART_LOGGING_ROSE_ON) / 2
    middle = middle.floor("D")
    measured = (
        pd.DataFrame({"family": catalogue["family"]})
        .assign(is_in_model=lambda rows: rows.index.isin(list(transforms)))
        .join(_correlations(values, transforms))
        .join(_separation(values, segments))
        .join(_permutation_importance(users.head(REFIT_USERS), parameters, transforms))
        .join(_agreements(users.head(REFIT_USERS), catalogue["family"], parameters, transforms))
        .assign(
            tenure_correlation=values.apply(
                lambda feature: abs(feature.corr(values["tenure_days"], method="spearman"))
            ),
            cart_logging_shift=_shift(values, rose_on),
            usual_shift=_shift(values.loc[since.index], _sides(since, middle)),
            segments_by_tenure=_shared(
                segments, pd.qcut(users["tenure_days"], 4, labels=False, duplicates="drop")
            ),
            segments_by_cart_logging=_shared(segments, rose_on),
        )
    )
    return (
        measured.assign(
            verdict=[_verdict(row) for _, row in measured.iterrows()],
            model_version=parameters["model_version"].iloc[0],
        )
        .reset_index(names="feature")[list(FEATURE_IMPORTANCE_TYPES)]
        .astype(FEATURE_IMPORTANCE_TYPES)
    )


def _as_a_model_takes_them(users: pd.DataFrame, transforms: pd.Series) -> pd.DataFrame:
    """Return the features transformed and clipped; all missing where they do not vary."""
    taken = pd.DataFrame(np.nan, index=users.index, columns=transforms.index)
    for feature, transform in transforms.items():
        known = users[users[feature].notna()]
        if known[feature].min() < known[feature].max():
            # a warehouse sums in its own order: equal values may differ in their last bits
            clipped = fit_preparation(known, {feature: transform}).clip(known)[:, 0].round(PLACES)
            if np.ptp(clipped) > 0:
                taken.loc[known.index, feature] = clipped
    return taken


def _correlations(values: pd.DataFrame, transforms: dict[str, str]) -> pd.DataFrame:
    of_model = [feature for feature in values.columns if feature in transforms]
    correlations = values.corr()[of_model]
    rows = {}
    for feature, row in correlations.iterrows():
        others = row.drop(feature, errors="ignore").dropna()
        nearest = others.abs().idxmax() if len(others) else None
        # of two features of the model that repeat each other the first may stay
        before = of_model[: of_model.index(feature)] if feature in of_model else of_model
        rows[feature] = {
            "nearest_model_feature": nearest,
            "correlation": others[nearest] if nearest else np.nan,
            "is_redundant": bool((row[before].abs() > MAX_CORRELATION).any()),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _separation(values: pd.DataFrame, segments: pd.Series) -> pd.DataFrame:
    of_segments = values.groupby(segments)
    centred = of_segments.mean() - values.mean()
    deviations = (centred / values.std(ddof=0)).dropna(axis=1, how="all")
    variance = (of_segments.count() * centred**2).sum() / values.count()
    standing_out = deviations.abs().idxmax()
    return pd.DataFrame(
        {
            "variance_between_segments": variance / values.var(ddof=0),
            "most_deviating_segment": standing_out,
            "deviation": pd.Series(
                {feature: deviations.loc[s, feature] for feature, s in standing_out.items()},
                dtype="float64",
            ),
        },
        index=values.columns,
    )


def _permutation_importance(
    users: pd.DataFrame, parameters: pd.DataFrame, transforms: dict[str, str]
) -> pd.Series:
    chance = np.random.default_rng(RANDOM_STATE)
    order = np.concatenate([chance.permutation(len(users)) for _ in range(PERMUTATIONS)])
    repeated = pd.concat([users[["session_count", *transforms]]] * PERMUTATIONS)
    own = assign(parameters, transforms, repeated)["segment"]
    shares = {}
    for feature in transforms:
        shuffled = repeated.assign(**{feature: users[feature].to_numpy()[order]})
        shares[feature] = (assign(parameters, transforms, shuffled)["segment"] != own).mean()
    return pd.Series(shares, name="permutation_importance")


def _agreements(
    users: pd.DataFrame,
    families: pd.Series,
    parameters: pd.DataFrame,
    transforms: dict[str, str],
) -> pd.DataFrame:
    segments = assign(parameters, transforms, users)["segment"]
    n_clusters = int(parameters["segment"].max())

    def agreement(family: str | None) -> float:
        kept = {name: how for name, how in transforms.items() if families[name] != family}
        if (users[list(kept)].min() < users[list(kept)].max()).any():
            coordinates = fit_preparation(users, kept).transform(users)
            return adjusted_rand_score(segments, fit_clusters(coordinates, n_clusters).labels_)
        return np.nan

    of_model = list(families[list(transforms)].unique())
    # one model a core, each on one thread: see fit_clusters
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as cores:
        refit, *without = cores.map(agreement, [None, *of_model])
    return pd.DataFrame(
        {
            "agreement_without_family": families.map(dict(zip(of_model, without, strict=True))),
            "agreement_of_refit": refit,
        }
    )


def _sides(users: pd.DataFrame, day: pd.Timestamp) -> pd.Series:
    """Tell the users who came only before a day from those who came only after it."""
    sides = pd.Series(None, index=users.index, dtype="str")
    sides[users["last_event_at"] < day] = "before"
    sides[users["first_event_at"] >= day + pd.Timedelta(days=1)] = "after"
    return sides


def _shift(values: pd.DataFrame, sides: pd.Series) -> pd.Series:
    before, after = values[sides == "before"], values[sides == "after"]
    spread = np.sqrt((before.var() + after.var()) / 2)
    enough = np.minimum(before.count(), after.count()) >= MIN_SIDE_USERS
    return ((after.mean() - before.mean()) / spread).where(enough & (spread > 1e-9))


def _shared(segments: pd.Series, groups: pd.Series) -> float:
    known = groups.notna()
    if groups.nunique() < 2 or groups.value_counts().min() < MIN_SIDE_USERS:
        return np.nan
    return adjusted_mutual_info_score(groups[known], segments[known])


def _verdict(feature: pd.Series) -> str:
    beyond_usual = abs(feature["cart_logging_shift"]) - np.nan_to_num(abs(feature["usual_shift"]))
    findings = {
        "constant": np.isnan(feature["variance_between_segments"]),
        "edge of the data": feature["tenure_correlation"] > MAX_TENURE_CORRELATION,
        "shift of 2019-11-08": beyond_usual > MAX_SHIFT,
        "redundant": feature["is_redundant"],
    }
    found = next((finding for finding, is_so in findings.items() if is_so), None)
    if feature["is_in_model"]:
        return f"in the model, watch: {found}" if found else "in the model"
    return f"left out: {found or 'describes segments only'}"
