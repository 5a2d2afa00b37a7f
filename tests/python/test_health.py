"""A model that is ill asks for another, which is used if it is not worse; a person may go back."""

from collections.abc import Iterator
from datetime import date

import pytest
from warehouses import QuickWarehouse

from amazing_segments.sample_events import write_sample_events

# every model is older than that
ILL = "health_policy: {warn: {psi: 0.1}, retrain: {age_days: -1}}"
VERSIONS = (
    "select model_version, is_current, refusal is not null from segmentation.segmentation_models "
    "order by model_version"
)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickWarehouse]:
    built = QuickWarehouse(tmp_path_factory.mktemp("health"))
    write_sample_events(600, date(2019, 10, 1), 2, 1, built.events)
    built.dbt("seed")
    yield built
    built.close()


def used_versions(warehouse: QuickWarehouse) -> set[int]:
    tables = ("user_segments", "segments", "segment_profiles", "user_segment_reasons")
    found = warehouse.rows_of(
        f"select distinct model_version from marts.{table} where model_version is not null"
        for table in tables
    )
    return {version for rows in found for (version,) in rows}


def test_an_ill_model_is_replaced_by_the_next_build_and_a_person_goes_back(
    warehouse: QuickWarehouse,
) -> None:
    warehouse.dbt("run")
    assert warehouse.rows(VERSIONS) == [(1, True, False)]
    health = "select verdict, reasons_en, is_latest from segmentation.segmentation_health"
    assert warehouse.rows(health) == [("keep", "", True)]
    warehouse.dbt("run")
    assert warehouse.rows(VERSIONS) == [(1, True, False)]

    # asked for by one build, trained by the next; nobody trains where people said never
    warehouse.dbt("run", "--vars", f"{{{ILL}, retrain: never}}")
    warehouse.dbt("run", "--vars", f"{{{ILL}}}")
    assert warehouse.rows(health) == [("retrain", "age in days 0.00 > -1;", True)]
    assert warehouse.rows(VERSIONS) == [(1, True, False)]
    warehouse.dbt("run", "--vars", "{retrain: never}")
    assert warehouse.rows(VERSIONS) == [(1, True, False)]
    warehouse.dbt("run")
    assert warehouse.rows(VERSIONS) == [(1, False, False), (2, True, False)]
    assert used_versions(warehouse) == {2}

    # the way back, and a build with nothing new keeps to it
    warehouse.dbt("run-operation", "use_model", "--args", "{model_version: 1}")
    warehouse.dbt("run")
    assert warehouse.rows(VERSIONS) == [(1, True, False), (2, False, False)]
    assert used_versions(warehouse) == {1}
    result, said = warehouse.try_dbt("run-operation", "use_model", "--args", "{model_version: 7}")
    assert not result.success and "there is no model version 7" in said


def test_a_challenger_that_is_less_stable_waits_for_a_person(warehouse: QuickWarehouse) -> None:
    before = warehouse.rows(VERSIONS)
    warehouse.execute(
        "update segmentation.segmentation_k_selection set stability = 2 where is_chosen"
    )
    warehouse.dbt("run", "--vars", "{retrain: always}")
    number = len(before) + 1
    assert warehouse.rows(VERSIONS) == [*before, (number, False, True)]
    # ill or not, the next ones do not train again and again
    warehouse.dbt("run", "--vars", f"{{{ILL}}}")
    warehouse.dbt("run")
    assert len(warehouse.rows(VERSIONS)) == number
    warehouse.dbt("run-operation", "use_model", "--args", f"{{model_version: {number}}}")
    warehouse.dbt("run")
    assert warehouse.rows(VERSIONS)[-1] == (number, True, False)
    assert used_versions(warehouse) == {number}
