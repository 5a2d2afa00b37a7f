"""Which model version to train, and the types of the tables that models are written down in.

Apart from segmentation, which needs scikit-learn: a build that trains nothing is spared its import.
"""

import pandas as pd

K_SELECTION_TYPES = {
    "model_version": "int64",
    "k": "int64",
    "inertia": "float64",
    "silhouette": "float64",
    "calinski_harabasz": "float64",
    "davies_bouldin": "float64",
    "gap": "float64",
    "gap_error": "float64",
    "stability": "float64",
    "prediction_strength": "float64",
    "seed_agreement": "float64",
    "lowest_jaccard": "float64",
    "valid_segment_count": "int64",
    "doubtful_segment_count": "int64",
    "dissolved_segment_count": "int64",
    "smallest_share": "float64",
    "null_silhouette": "float64",
    "null_stability": "float64",
    "null_prediction_strength": "float64",
    "null_lowest_jaccard": "float64",
    "is_stable": "bool",
    "is_distinct": "bool",
    "is_addressable": "bool",
    "is_chosen": "bool",
    "user_count": "int64",
    "repeat_count": "int64",
    "random_state": "int64",
    "features": "str",
    "as_of": "datetime64[us]",
    "trained_at": "datetime64[us]",
    "promoted_at": "datetime64[us]",
    "refusal": "str",
    "retrain_requested_at": "datetime64[us]",
}
DRIFT_TYPES = {
    "model_version": "int64",
    "as_of": "datetime64[us]",
    "measure": "str",
    "feature": "str",
    "value": "float64",
}
PARAMETER_TYPES = {
    "model_version": "int64",
    "parameter": "str",
    "segment": "Int64",
    "component": "Int64",
    "feature": "str",
    "value": "float64",
}
FEATURE_IMPORTANCE_TYPES = {
    "model_version": "int64",
    "feature": "str",
    "family": "str",
    "is_in_model": "bool",
    "verdict": "str",
    "permutation_importance": "float64",
    "agreement_without_family": "float64",
    "agreement_of_refit": "float64",
    "variance_between_segments": "float64",
    "most_deviating_segment": "Int64",
    "deviation": "float64",
    "nearest_model_feature": "str",
    "correlation": "float64",
    "is_redundant": "bool",
    "tenure_correlation": "float64",
    "cart_logging_shift": "float64",
    "usual_shift": "float64",
    "segments_by_tenure": "float64",
    "segments_by_cart_logging": "float64",
}
RULE_TYPES = {
    "model_version": "int64",
    "rule": "int64",
    "segment": "int64",
    "conditions_en": "str",
    "conditions_fr": "str",
    "user_share": "float64",
    "precision": "float64",
    "coverage": "float64",
    "fidelity": "float64",
    "macro_f1": "float64",
    "held_out_user_count": "int64",
}

# what is compared to tell from how many events a customer can be classified
AGREEMENTS = ("odd_even", "early_late", "final")
MIN_EVENTS_TYPES = {
    "model_version": "int64",
    "event_target": "int64",
    "segment": "Int64",
    **{
        f"{agreement}_{figure}": kind
        for agreement in AGREEMENTS
        for figure, kind in {
            "user_count": "int64",
            "kappa": "float64",
            "kappa_low": "float64",
            "kappa_high": "float64",
        }.items()
    },
    "mean_event_count": "float64",
    "left_out_user_share": "float64",
    "left_out_revenue_share": "float64",
    "target_kappa": "float64",
    "is_threshold": "bool",
}
CALIBRATION_TYPES = {
    "model_version": "int64",
    "confidence_from": "float64",
    "confidence_below": "float64",
    "user_count": "int64",
    "kept_share": "float64",
    "kept_share_low": "float64",
    "kept_share_high": "float64",
    "persistence": "float64",
}
EARLY_CLASSIFIER_TYPES = {
    "model_version": "int64",
    "event_target": "int64",
    "classifier": "str",
    "training_user_count": "int64",
    "test_user_count": "int64",
    "macro_f1": "float64",
    "macro_f1_low": "float64",
    "macro_f1_high": "float64",
    "gain_over_model": "float64",
    "accuracy": "float64",
    "balanced_accuracy": "float64",
    "is_best": "bool",
}
BUSINESS_VALUE_TYPES = {
    "model_version": "int64",
    "outcome": "str",
    "predictor": "str",
    "user_count": "int64",
    "base_rate": "float64",
    "average_precision": "float64",
    "rank_correlation": "float64",
    "top_tenth_lift": "float64",
    "top_tenth_share": "float64",
    "loss_against_features": "float64",
}
ALGORITHM_COMPARISON_TYPES = {
    "model_version": "int64",
    "algorithm": "str",
    "is_chosen": "bool",
    "segment_count": "int64",
    "stability": "float64",
    "separation": "float64",
    "unassigned_share": "float64",
    "largest_share": "float64",
    "can_assign_new_customers": "bool",
    "agreement_with_model": "float64",
    "bic": "float64",
    "seconds": "float64",
    "peak_memory_mb": "float64",
    "user_count": "int64",
    "reason_en": "str",
    "reason_fr": "str",
}
IDENTITY_TYPES = {
    "model_version": "int64",
    "segment": "int64",
    "identity": "str",
    "state": "str",
    "given_persona": "str",
    "fit": "float64",
    "previous_segment": "Int64",
    "jaccard": "float64",
    "centroid_distance": "float64",
}


def model_transforms(catalogue: pd.DataFrame) -> dict[str, str]:
    """Return the transform of each feature of the model, in the catalogue's order.

    Args:
        catalogue: position, feature, transform, is_in_model.

    """
    used = catalogue[catalogue["is_in_model"]].sort_values("position")
    return dict(zip(used["feature"], used["transform"], strict=True))


def version_to_train(trained: pd.DataFrame, transforms: dict[str, str], retrain: str) -> int | None:
    """Return the number of the model to train now, or None to keep the current one.

    A model is trained when there is none, when the last one knows other features, and when asked
    for: by a person (`always`), or by the last build's look at the model's health (`auto`).

    Args:
        trained: The rows of `select_k` of all versions so far.
        transforms: As for `fit_preparation`.
        retrain: auto, always or never.

    Raises:
        ValueError: retrain is none of these.

    """
    if retrain not in ("auto", "always", "never"):
        raise ValueError(f"the variable retrain is {retrain!r}: expected auto, always or never")
    if trained.empty:
        return 1
    last = trained[trained["model_version"] == trained["model_version"].max()]
    is_asked_for = retrain == "always" or (
        retrain == "auto" and last["retrain_requested_at"].notna().any()
    )
    if is_asked_for or last["features"].iloc[0] != features_text(transforms):
        return int(last["model_version"].iloc[0]) + 1
    return None


def current_model(trained: pd.DataFrame) -> pd.Series | None:
    """Return the row of the chosen k of the model in use, as segmentation_models tells it.

    The one promoted last; versions from before there was a promotion are in use from their
    training on.

    Args:
        trained: The rows of `select_k` of all versions so far.

    """
    chosen = trained[trained["is_chosen"] & trained["refusal"].isna()]
    if chosen.empty:
        return None
    used_from = chosen["promoted_at"].fillna(chosen["trained_at"])
    return chosen.assign(used_from=used_from).sort_values(["used_from", "model_version"]).iloc[-1]


def version_to_analyse(fitted: pd.DataFrame, analysed: pd.DataFrame) -> int | None:
    """Return the number of the newest model if it has no analysis yet, else None.

    Args:
        fitted: model_version of the models.
        analysed: model_version of the rows of the analysis so far.

    """
    newest = fitted["model_version"].max()
    if fitted.empty or newest in analysed["model_version"].to_numpy():
        return None
    return int(newest)


def empty(types: dict[str, str]) -> pd.DataFrame:
    """Return no row of a table with these columns and types."""
    return pd.DataFrame(columns=list(types)).astype(types)


def features_text(transforms: dict[str, str]) -> str:
    """Return the features of a model with their transforms as one text."""
    return ",".join(f"{feature}:{transform}" for feature, transform in transforms.items())


def transforms_of(features: str) -> dict[str, str]:
    """Return the features of a model with their transforms from what `features_text` gives."""
    return dict(feature.split(":") for feature in features.split(","))


def transforms_of_version(models: pd.DataFrame, version: int) -> dict[str, str]:
    """Return the features of a version with their transforms.

    Args:
        models: model_version, features (as `features_text` writes them), one row a version.
        version: One of them.

    """
    return transforms_of(models.set_index("model_version")["features"][version])
