"""Tell segments in rules that people can read: a small decision tree that imitates the model."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score
from sklearn.tree import DecisionTreeClassifier

from amazing_segments.k_selection import MIN_TRAINING_USERS
from amazing_segments.model_versions import RULE_TYPES, empty
from amazing_segments.segmentation import RANDOM_STATE, assign

RULE_USERS = 50_000
MAX_DEPTH = 4
MIN_LEAF_SHARE = 0.01
# Every fifth user is held out: keys are keyed hashes, so any of them are a random sample.
HELD_OUT = 5

# what stands before a lower and an upper bound, after a label, between conditions, for no condition
WORDS = {
    "en": ("over", "up to", ": ", "; ", "all customers"),
    "fr": ("plus de", "jusqu'à", " : ", " ; ", "tous les clients"),
}


class Leaf(NamedTuple):
    """One or several leaves of the tree that make one rule.

    Attributes:
        nodes: Their numbers in the tree.
        segment: The segment that they predict.
        bounds: By feature, the steps above which and up to which its values lie, None if any.
    """

    nodes: list[int]
    segment: int
    bounds: dict[str, tuple[int | None, int | None]]


def fit_rules(
    users: pd.DataFrame,
    catalogue: pd.DataFrame,
    parameters: pd.DataFrame,
    transforms: dict[str, str],
) -> pd.DataFrame:
    """Fit a decision tree that imitates a model and write its leaves down as rules.

    A surrogate (Craven & Shavlik 1996, Extracting tree-structured representations of trained
    networks) in the features' own units. It is fitted on values rounded up to the step in which
    conditions are written: so the rule that is read is the very one that was measured.

    Args:
        users: As for `fit_preparation`; the first `RULE_USERS` are looked at.
        catalogue: feature, unit, minimum, label_en, label_fr.
        parameters: The rows of `fit_parameters` of one version.
        transforms: Those of that version, see `model_versions.transforms_of`.

    Returns:
        One row per leaf, neighbours of the same segment being one, and one per segment that no leaf
        predicts, with the columns of `RULE_TYPES`. All figures are of the users held out;
        precision and coverage are missing where the leaf or the segment has none of them. No row
        where there are fewer than `MIN_TRAINING_USERS` users.

    """
    if len(users) < MIN_TRAINING_USERS:
        return empty(RULE_TYPES)
    users = users.head(RULE_USERS)
    segments = assign(parameters, transforms, users)["segment"].to_numpy()
    described = catalogue.set_index("feature").loc[list(transforms)]
    described["step"] = [
        0.01 if unit.startswith("share") else _step(users[feature])
        for feature, unit in described["unit"].items()
    ]
    steps = pd.DataFrame(
        {feature: _in_steps(users[feature], step) for feature, step in described["step"].items()}
    )
    held_out = np.arange(len(users)) % HELD_OUT == HELD_OUT - 1
    tree = DecisionTreeClassifier(
        # Gini's index would first set apart the largest segments, and so few splits lose the others
        criterion="entropy",
        max_depth=MAX_DEPTH,
        min_samples_leaf=MIN_LEAF_SHARE,
        random_state=RANDOM_STATE,
    ).fit(steps[~held_out], segments[~held_out])
    own, nodes = segments[held_out], tree.apply(steps[held_out])
    leaves = _leaves(tree, list(transforms), 0, {})
    missing = sorted(set(parameters["segment"].dropna()) - {leaf.segment for leaf in leaves})
    rules = pd.DataFrame(
        [_measured(leaf, described, own, nodes) for leaf in leaves]
        + [{"segment": s, "user_share": 0.0, "coverage": 0.0} for s in missing]
    ).sort_values(["segment", "user_share"], ascending=[True, False], kind="stable")
    predicted = tree.predict(steps[held_out])
    return rules.assign(
        model_version=parameters["model_version"].iloc[0],
        rule=range(1, len(rules) + 1),
        fidelity=(predicted == own).mean(),
        macro_f1=f1_score(own, predicted, average="macro", zero_division=0),
        held_out_user_count=len(own),
    )[list(RULE_TYPES)].astype(RULE_TYPES)


def _step(values: pd.Series) -> float:
    """Return the power of ten in which a value can be told: some ten to a standard deviation."""
    deviation = values.std()
    return 10.0 ** (np.floor(np.log10(deviation)) - 1) if deviation > 0 else 1.0


def _in_steps(values: pd.Series, step: float) -> pd.Series:
    # rounded first: 0.07 / 0.01 is a little more than 7
    return np.ceil((values / step).round(6))


def _leaves(
    tree: DecisionTreeClassifier, features: list[str], node: int, bounds: dict
) -> list[Leaf]:
    inner = tree.tree_
    if inner.children_left[node] == -1:
        return [Leaf([node], int(tree.classes_[inner.value[node].argmax()]), bounds)]
    feature, threshold = features[inner.feature[node]], int(np.floor(inner.threshold[node]))
    low, high = bounds.get(feature, (None, None))
    below = _leaves(tree, features, inner.children_left[node], bounds | {feature: (low, threshold)})
    above = _leaves(
        tree, features, inner.children_right[node], bounds | {feature: (threshold, high)}
    )
    if len(below) == len(above) == 1 and below[0].segment == above[0].segment:
        return [Leaf(below[0].nodes + above[0].nodes, below[0].segment, bounds)]
    return below + above


def _measured(leaf: Leaf, described: pd.DataFrame, own: np.ndarray, nodes: np.ndarray) -> dict:
    inside, of_segment = np.isin(nodes, leaf.nodes), own == leaf.segment
    right = (inside & of_segment).sum()
    return {
        "segment": leaf.segment,
        "conditions_en": _conditions(leaf, described, "en"),
        "conditions_fr": _conditions(leaf, described, "fr"),
        "user_share": inside.mean(),
        "precision": right / inside.sum() if inside.any() else np.nan,
        "coverage": right / of_segment.sum() if of_segment.any() else np.nan,
    }


def _conditions(leaf: Leaf, described: pd.DataFrame, language: str) -> str:
    over, up_to, colon, and_, everyone = WORDS[language]
    conditions = []
    for name, (low, high) in leaf.bounds.items():
        feature = described.loc[name]
        if high is not None and high <= feature["minimum"] / feature["step"]:
            interval = _text(high, feature, language)
        else:
            interval = ", ".join(
                f"{word} {_text(bound, feature, language)}"
                for word, bound in ((over, low), (up_to, high))
                if bound is not None
            )
        conditions.append(f"{feature[f'label_{language}']}{colon}{interval}")
    return and_.join(conditions) or everyone


def _text(steps: int, feature: pd.Series, language: str) -> str:
    if feature["unit"].startswith("share"):
        return f"{steps} %"
    decimals = max(0, round(-np.log10(feature["step"])))
    text = f"{steps * feature['step']:.{decimals}f}"
    return text.replace(".", ",") if language == "fr" else text
