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
    "stability": "float64",
    "smallest_share": "float64",
    "is_chosen": "bool",
    "user_count": "int64",
    "random_state": "int64",
    "features": "str",
    "as_of": "datetime64[us]",
    "trained_at": "datetime64[us]",
}
PARAMETER_TYPES = {
    "model_version": "int64",
    "parameter": "str",
    "segment": "Int64",
    "component": "Int64",
    "feature": "str",
    "value": "float64",
}


def model_transforms(catalogue: pd.DataFrame) -> dict[str, str]:
    """Return the transform of each feature of the model, in the catalogue's order.

    Args:
        catalogue: position, feature, transform, is_in_model.

    """
    used = catalogue[catalogue["is_in_model"]].sort_values("position")
    return dict(zip(used["feature"], used["transform"], strict=True))


def version_to_train(
    trained: pd.DataFrame, transforms: dict[str, str], retrain: bool
) -> int | None:
    """Return the number of the model to train now, or None to keep the current one.

    A model is trained when there is none, when asked for, or when the last one knows other
    features.

    Args:
        trained: The rows of `select_k` of all versions so far.
        transforms: As for `fit_preparation`.
        retrain: Whether a new model is asked for.

    """
    if trained.empty:
        return 1
    last = trained.sort_values("model_version").iloc[-1]
    if retrain or last["features"] != features_text(transforms):
        return int(last["model_version"]) + 1
    return None


def version_to_analyse(models: pd.DataFrame, analysed: pd.DataFrame) -> int | None:
    """Return the number of the current model if it has no analysis yet, else None.

    Args:
        models: model_version, is_current.
        analysed: model_version of each row of the analysis so far.

    """
    current = models.loc[models["is_current"], "model_version"]
    missing = current[~current.isin(analysed["model_version"])]
    return None if missing.empty else int(missing.iloc[0])


def empty_k_selection() -> pd.DataFrame:
    """Return no row of `select_k`, typed."""
    return pd.DataFrame(columns=list(K_SELECTION_TYPES)).astype(K_SELECTION_TYPES)


def empty_parameters() -> pd.DataFrame:
    """Return no row of `fit_parameters`, typed."""
    return pd.DataFrame(columns=list(PARAMETER_TYPES)).astype(PARAMETER_TYPES)


def features_text(transforms: dict[str, str]) -> str:
    """Return the features of a model with their transforms as one text."""
    return ",".join(f"{feature}:{transform}" for feature, transform in transforms.items())


def transforms_of(features: str) -> dict[str, str]:
    """Return the features of a model with their transforms from what `features_text` gives."""
    return dict(feature.split(":") for feature in features.split(","))
