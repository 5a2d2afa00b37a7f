"""From how many events a customer can be classified: whether parts of a history agree."""

import numpy as np
import pandas as pd

from amazing_segments.model_versions import AGREEMENTS, MIN_EVENTS_TYPES
from amazing_segments.segmentation import RANDOM_STATE, assign

# Events that a part of a history holds, at least: int_partial_histories has them too.
EVENT_TARGETS = (1, 2, 3, 5, 8, 12, 20, 30, 50)
# Kappa of fewer customers says nothing.
MIN_USERS = 100
BOOTSTRAPS = 1000
INTERVAL = (0.025, 0.975)


def measure_min_events(
    histories: pd.DataFrame,
    parameters: pd.DataFrame,
    transforms: dict[str, str],
    target_kappa: float,
    model_version: int,
) -> pd.DataFrame:
    """Measure how far two parts of a history agree on the segment, by their number of events.

    Two disjoint halves of a customer's sessions, with about as many events each, are given their
    segments by the same model. What agrees beyond chance is Cohen's kappa (Cohen 1960, A
    coefficient of agreement for nominal scales), of all segments and of each against all others;
    its 95 % interval is the percentile bootstrap over customers (Efron & Tibshirani 1993).

    Args:
        histories: The rows of int_partial_histories, sorted by part, event_target and
            user_key.
        parameters: The rows of `fit_parameters` of the version.
        transforms: Those of the version.
        target_kappa: What the lower end of the interval has to reach.
        model_version: The version.

    Returns:
        One row per number of events and segment, and one without a segment for all of them, with
        the columns of `MIN_EVENTS_TYPES`. Kappa is null for fewer than `MIN_USERS` customers, or
        where all have the same segment.

    """
    labelled = histories.assign(segment=assign(parameters, transforms, histories)["segment"])
    parts = {
        key: rows.set_index("user_key") for key, rows in labelled.groupby(["part", "event_target"])
    }
    nobody = labelled.head(0).set_index("user_key")
    whole = parts.get(("whole", 0), nobody)
    segments = sorted(parameters["segment"].dropna().unique())
    rows = []
    for target in EVENT_TARGETS:
        odd, even, early, late = (
            parts.get((part, target), nobody) for part in ("odd", "even", "early", "late")
        )
        halves = _both(odd, even)
        # by session, so that no event is in both
        apart = _both(early, late)
        apart = apart[
            apart["session_count"] + apart["session_count_other"]
            <= whole["session_count"].reindex(apart.index)
        ]
        final = _both(early, whole)
        final = final[final["event_count_other"] >= 2 * target]
        measured = {
            name: _kappas(pairs, len(segments))
            for name, pairs in zip(AGREEMENTS, (halves, apart, final), strict=True)
        }
        for position, segment in enumerate([None, *segments]):
            customers = whole if segment is None else whole[whole["segment"] == segment]
            left_out = customers[customers["event_count"] < target]
            row = {"event_target": target, "segment": segment}
            for name, (user_count, figures) in measured.items():
                row |= {f"{name}_user_count": user_count} | {
                    f"{name}_{figure}": value for figure, value in figures.iloc[position].items()
                }
            rows.append(
                row
                | {
                    "mean_event_count": halves[["event_count", "event_count_other"]].mean().mean(),
                    "left_out_user_share": _ratio(len(left_out), len(customers)),
                    "left_out_revenue_share": _ratio(
                        left_out["revenue_amount"].sum(), customers["revenue_amount"].sum()
                    ),
                }
            )
    found = pd.DataFrame(rows).assign(model_version=model_version, target_kappa=target_kappa)
    threshold = choose_min_events(found[found["segment"].isna()], target_kappa)
    found["is_threshold"] = found["segment"].isna() & (found["event_target"] == threshold)
    return found[list(MIN_EVENTS_TYPES)].astype(MIN_EVENTS_TYPES)


def choose_min_events(measured: pd.DataFrame, target_kappa: float) -> int | None:
    """Return from how many events the halves agree well enough.

    The fewest events for which the lower end of the interval reaches the target; where none does,
    the most that could be measured: habits that do not show ask for more evidence, not for less.
    None where nothing could be measured.

    Args:
        measured: event_target, odd_even_kappa_low.
        target_kappa: What the lower end of the interval has to reach.

    """
    measured = measured.dropna(subset="odd_even_kappa_low")
    reached = measured.loc[measured["odd_even_kappa_low"] >= target_kappa, "event_target"]
    if not reached.empty:
        return int(reached.min())
    return None if measured.empty else int(measured["event_target"].max())


def _both(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    return one.join(other, how="inner", suffixes=("", "_other"))


def _kappas(pairs: pd.DataFrame, n_segments: int) -> tuple[int, pd.DataFrame]:
    """Return how many pairs there are, and kappa with its interval: of all, then by segment."""
    columns = ["kappa", "kappa_low", "kappa_high"]
    if len(pairs) < MIN_USERS:
        return len(pairs), pd.DataFrame(np.nan, index=range(n_segments + 1), columns=columns)
    codes = (pairs["segment"] - 1) * n_segments + pairs["segment_other"] - 1
    counts = np.bincount(codes, minlength=n_segments**2)
    chance = np.random.default_rng(RANDOM_STATE)
    drawn = chance.multinomial(len(pairs), counts / len(pairs), size=BOOTSTRAPS)
    tables = np.vstack([counts, drawn]).reshape(-1, n_segments, n_segments)
    kappas = np.column_stack(
        [
            _kappa(tables),
            *(_kappa(_one_against_others(tables, segment)) for segment in range(n_segments)),
        ]
    )
    low, high = np.quantile(kappas[1:], INTERVAL, axis=0)
    return len(pairs), pd.DataFrame(np.column_stack([kappas[0], low, high]), columns=columns)


def _kappa(tables: np.ndarray) -> np.ndarray:
    """Return Cohen's kappa of each table of counts, shape (n_tables, n, n)."""
    shares = tables / tables.sum(axis=(1, 2), keepdims=True)
    observed = np.trace(shares, axis1=1, axis2=2)
    expected = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    return np.divide(
        observed - expected, 1 - expected, where=expected < 1, out=np.full(len(tables), np.nan)
    )


def _one_against_others(tables: np.ndarray, segment: int) -> np.ndarray:
    both = tables[:, segment, segment]
    first, second = tables[:, segment].sum(axis=1), tables[:, :, segment].sum(axis=1)
    neither = tables.sum(axis=(1, 2)) - first - second + both
    return np.stack([both, first - both, second - both, neither], axis=1).reshape(-1, 2, 2)


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else np.nan
