"""The figures of the report, read from the DuckDB warehouse: sums and shares, nothing of a person.

The only rows of customers are those of the map, which is drawn as an image; their keys stay behind.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from amazing_segments.model_versions import transforms_of
from amazing_segments.segmentation import project

# Of a group of fewer customers no figure is shown.
SMALLEST_GROUP = 10
# Customers on the map: more would cover each other.
MAP_USERS = 4_000

# The newest version may be a challenger that was refused.
_CURRENT = "(select model_version from segmentation.segmentation_models where is_current)"

# One query a table. Each gives sums over customers, or what a training wrote down.
QUERIES = {
    "segments": "select * from marts.segments order by segment = 0, user_count desc, segment",
    "statuses": "select status, count(*) as user_count from marts.user_segments group by status",
    "events": """
        select cast(date_trunc('month', event_at) as timestamp) as month, event_type,
            count(*) as event_count
        from staging.stg_events group by all order by all
    """,
    "files": """
        select count(*) as file_count, count_if(state = 'loaded') as loaded_count,
            min(first_event_at) as first_event_at, max(last_event_at) as last_event_at
        from staging.stg_event_files
    """,
    "visits": """
        select count(*) as all_count, count_if(view_count > 0) as view_count,
            count_if(cart_count > 0) as cart_count, count_if(purchase_count > 0) as purchase_count
        from intermediate.int_sessions
    """,
    "customers": """
        select count(*) as all_count, count_if(view_count > 0) as view_count,
            count_if(cart_count > 0) as cart_count, count_if(order_count > 0) as purchase_count,
            count_if(order_count > 1) as again_count,
            coalesce(sum(order_count), 0) as order_count,
            coalesce(sum(revenue_amount), 0) as revenue_amount
        from marts.user_features
    """,
    "buyers": """
        select users.segment, count_if(features.order_count > 0) as user_count
        from marts.user_segments as users
        inner join marts.user_features as features on users.user_key = features.user_key
        where users.segment is not null
        group by users.segment
    """,
    "quality": """
        select rule, outcome, reason_en, reason_fr, cast(sum(row_count) as bigint) as row_count
        from marts.data_quality group by all order by min(position)
    """,
    "catalogue": """
        select feature, family, unit, label_en, label_fr, is_in_model
        from marts.feature_catalogue order by position
    """,
    "model": "select * from segmentation.segmentation_models where is_current",
    "k_selection": f"""
        select * from segmentation.segmentation_k_selection
        where model_version = {_CURRENT} order by k
    """,
    "algorithms": f"""
        select * from segmentation.segmentation_algorithm_comparison
        where model_version = {_CURRENT} order by is_chosen desc, stability desc, algorithm
    """,
    "importance": f"""
        select importance.*, catalogue.label_en, catalogue.label_fr,
            nearest.label_en as nearest_en, nearest.label_fr as nearest_fr
        from segmentation.segmentation_feature_importance as importance
        inner join marts.feature_catalogue as catalogue
            on importance.feature = catalogue.feature
        left join marts.feature_catalogue as nearest
            on importance.nearest_model_feature = nearest.feature
        where importance.model_version = {_CURRENT}
        order by catalogue.position
    """,
    "threshold": "select * from segmentation.segmentation_threshold",
    "min_events": f"""
        select * from segmentation.segmentation_min_events
        where model_version = {_CURRENT} order by event_target, segment
    """,
    "early": f"""
        select * from segmentation.segmentation_early_classifiers
        where model_version = {_CURRENT} order by event_target, classifier
    """,
    "value": f"""
        select *, coalesce(average_precision, rank_correlation) as score
        from segmentation.segmentation_business_value
        where model_version = {_CURRENT}
        order by list_position(['returned', 'ordered', 'spend'], outcome), predictor
    """,
    "health": """
        select health.*, catalogue.label_en, catalogue.label_fr,
            (select count(*) from segmentation.segmentation_sample) as user_count
        from segmentation.segmentation_health as health
        left join marts.feature_catalogue as catalogue
            on health.max_psi_feature = catalogue.feature
        where health.is_latest and health.is_current
    """,
    "moves": """
        select * from marts.segment_migrations
        where month_on = (select max(month_on) from marts.segment_migrations)
        order by user_count desc, previous_persona, persona, cause
    """,
    "calibration": f"""
        select * from segmentation.segmentation_calibration
        where model_version = {_CURRENT} and user_count >= {SMALLEST_GROUP}
        order by confidence_from
    """,
    "profiles": """
        select profiles.*, catalogue.unit, catalogue.label_en, catalogue.label_fr,
            catalogue.is_in_model
        from marts.segment_profiles as profiles
        inner join marts.feature_catalogue as catalogue on profiles.feature = catalogue.feature
        order by profiles.segment, abs(profiles.deviation) desc nulls last, profiles.feature
    """,
    "rules": f"""
        select * from segmentation.segmentation_rules
        where model_version = {_CURRENT} order by segment, coverage desc nulls last, rule
    """,
    "personas": f"""
        select * from segmentation.segmentation_personas
        where model_version = {_CURRENT} order by segment
    """,
    "registry": """
        select * from segmentation.persona_registry
        order by is_active desc, born_in_version, last_segment
    """,
    "jaccard": f"""
        select segment, value as jaccard from segmentation.segmentation_parameters
        where parameter = 'jaccard' and model_version = {_CURRENT}
    """,
    "sureness": """
        select segment, avg(persistence) as persistence,
            count_if(is_between_personas) as between_count, count_if(is_atypical) as atypical_count
        from marts.user_segments where segment is not null group by segment
    """,
    "reasons": f"""
        with reasons as (
            select segment, reasons_en, unnest([reason_1, reason_2, reason_3]) as feature
            from marts.user_segment_reasons
        )
        select reasons.segment, reasons.feature, phrases.direction,
            catalogue.label_en, catalogue.label_fr, count(*) as user_count
        from reasons
        -- the sentence tells whether it is more or less than the average
        inner join reference.reason_phrases as phrases
            on reasons.feature = phrases.feature
            and contains(reasons.reasons_en, split_part(phrases.phrase_en, '{{', 1))
        inner join marts.feature_catalogue as catalogue on reasons.feature = catalogue.feature
        group by all
        having count(*) >= {SMALLEST_GROUP}
        order by reasons.segment, user_count desc, reasons.feature, phrases.direction
    """,
    "loadings": f"""
        select components.component, components.loading, catalogue.label_en, catalogue.label_fr
        from segmentation.segmentation_components as components
        inner join marts.feature_catalogue as catalogue on components.feature = catalogue.feature
        where components.model_version = {_CURRENT}
        order by components.component, abs(components.loading) desc, components.feature
    """,
    "sensitive": "select * from reference.sensitive_categories order by category_prefix",
}


@dataclass(frozen=True)
class CustomerMap:
    """Customers in the plane of the first two principal components.

    Attributes:
        users: One row per customer, without a key: segment, and coordinates x and y.
        centres: One row per segment: segment, x and y.
        explained: Share of the variance of all features that each of the two explains.
    """

    users: pd.DataFrame
    centres: pd.DataFrame
    explained: tuple[float, float]


@dataclass(frozen=True)
class Figures:
    """What the report tells.

    Attributes:
        tables: The result of each query of `QUERIES`, by its name.
        customer_map: None where there is no model, or one with a single component.
    """

    tables: dict[str, pd.DataFrame]
    customer_map: CustomerMap | None


def read_figures(warehouse: str) -> Figures:
    """Return the figures of a DuckDB warehouse.

    Raises:
        duckdb.Error: There is no such warehouse, or it was not built to the end.
    """
    with duckdb.connect(warehouse, read_only=True) as connection:
        tables = {name: connection.execute(query).df() for name, query in QUERIES.items()}
        tables["segments"] = hide_small_segments(tables["segments"])
        return Figures(tables, _customer_map(connection, tables))


def hide_small_segments(segments: pd.DataFrame) -> pd.DataFrame:
    """Add the segments of too few customers to those without one, and mark them.

    The sum of all is known, so a hidden figure could be found by subtraction if the customers
    without a segment had theirs shown alone.

    Args:
        segments: The rows of marts.segments.

    Returns:
        The same rows with is_hidden; hidden ones count in the row 0.
    """
    segments = segments.assign(
        is_hidden=(segments["segment"] > 0) & (segments["user_count"] < SMALLEST_GROUP)
    )
    small = segments["is_hidden"]
    without = segments["segment"] == 0
    if small.any() and without.any():
        sums = [
            column
            for column in segments
            if column.endswith(("_count", "_share")) or column == "revenue_amount"
        ]
        for column in sums:
            segments.loc[without, column] += segments.loc[small, column].sum()
    return segments


def tellable(counts: pd.Series) -> pd.Series:
    """Return which numbers of customers may be shown where their sum may be known.

    Those of `SMALLEST_GROUP` or more; but not the least of them where the rest would be too few,
    and be found by subtraction.

    Args:
        counts: Numbers of customers, none of them counted twice.

    Returns:
        True or False, with the index of counts.
    """
    ordered = counts.sort_values(ascending=False, kind="stable")
    is_told = ordered >= SMALLEST_GROUP
    if is_told.any() and 0 < ordered[~is_told].sum() < SMALLEST_GROUP:
        is_told.iloc[is_told.sum() - 1] = False
    return is_told[counts.index]


def _customer_map(
    connection: duckdb.DuckDBPyConnection, tables: dict[str, pd.DataFrame]
) -> CustomerMap | None:
    if tables["model"].empty:
        return None
    model = tables["model"].iloc[0]
    parameters = connection.execute(
        "select * from segmentation.segmentation_parameters where model_version = ?",
        [int(model["model_version"])],
    ).df()
    explained = parameters[parameters["parameter"] == "explained_variance"]
    explained = explained.sort_values("component")["value"].to_numpy()
    if len(explained) < 2:
        return None
    transforms = transforms_of(model["features"])
    columns = ", ".join(f'sample."{feature}"' for feature in transforms)
    users = connection.execute(
        f"""
        select sample.session_count, users.segment, {columns}
        from segmentation.segmentation_sample as sample
        inner join marts.user_segments as users on sample.user_key = users.user_key
        where users.segment is not null
        order by sample.user_key
        limit {MAP_USERS}
        """
    ).df()
    shown = tables["segments"].loc[~tables["segments"]["is_hidden"], "segment"]
    users = users[users["segment"].isin(shown)].reset_index(drop=True)
    places, centres = project(parameters, transforms, users)
    return CustomerMap(
        pd.DataFrame({"segment": users["segment"], "x": places[:, 0], "y": places[:, 1]}),
        pd.DataFrame(
            {"segment": np.arange(1, len(centres) + 1), "x": centres[:, 0], "y": centres[:, 1]}
        ),
        (float(explained[0]), float(explained[1])),
    )
