"""What all tests need."""

from collections.abc import Iterator

import pytest
from dbt_common.behavior_flags import BehaviorFlagRendered

# The files that take longest come first, so that no worker has one left when the others are done.
LONGEST = (
    *("test_replay", "test_parity", "sample", "test_crash", "test_operations", "test_health"),
    *("test_ledger", "test_python_models"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have a worker run whole files, and one alone all that needs the sample, to build it once."""

    def group(item: pytest.Item) -> str:
        return "sample" if "sample" in item.fixturenames else item.path.stem

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: (*LONGEST, group(item)).index(group(item)))


@pytest.fixture(scope="session", autouse=True)
def quick_behavior_flags() -> Iterator[None]:
    """Keep dbt from looking for the source of each flag through all frames and all modules.

    A test has many of both: it was most of the time of the builds in a process.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BehaviorFlagRendered, "_default_source", staticmethod(lambda: "dbt"))
        yield
