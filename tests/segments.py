"""A model of three segments for tests."""

import numpy as np
import pandas as pd

from amazing_segments import segmentation

TRANSFORMS = {"price": "identity", "night": "identity"}


def three_segments() -> pd.DataFrame:
    """The parameters of a cheap and a dear taste, parted at a price of 0.5, and of one at night."""
    chance = np.random.default_rng(0)
    group = np.arange(300) % 3
    users = pd.DataFrame(
        {
            "price": np.array([0.0, 1.0, 0.5])[group] + chance.normal(0, 0.01, 300),
            "night": np.array([0.0, 0.0, 1.0])[group] + chance.normal(0, 0.01, 300),
            "session_count": 3,
        }
    )
    return segmentation.fit_parameters(users, TRANSFORMS, 3, 1)
