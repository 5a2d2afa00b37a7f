"""What all tests need."""

from collections.abc import Iterator

import pytest
from dbt_common.behavior_flags import BehaviorFlagRendered


@pytest.fixture(scope="session", autouse=True)
def quick_behavior_flags() -> Iterator[None]:
    """Keep dbt from looking for the source of each flag through all frames and all modules.

    A test has many of both: it was most of the time of the builds in a process.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BehaviorFlagRendered, "_default_source", staticmethod(lambda: "dbt"))
        yield
