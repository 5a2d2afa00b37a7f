with

segments as (
    select * from {{ ref('segmentation_personas') }}
),

models as (
    select * from {{ ref('segmentation_models') }}
),

names as (
    select * from {{ ref('personas') }}
),

-- An identity that the last version of its life had, its successor no longer has. A version that
-- was refused succeeds to none: no customer had its names.
successors as (
    select
        models.model_version,
        min(later.model_version) as next_version
    from models
    inner join models as later on models.model_version < later.model_version
    where later.refusal is null
    group by models.model_version
),

lives as (
    select
        segments.identity,
        min(segments.model_version) as born_in_version,
        max(segments.model_version) as last_version,
        count(*) as version_count,
        max(case when models.is_current then 1 else 0 end) = 1 as is_active
    from segments
    inner join models on segments.model_version = models.model_version
    group by segments.identity
),

persona_registry as (
    select
        lives.identity,
        last_segments.persona,
        names.name_en,
        names.name_fr,
        last_segments.given_persona,
        given_names.name_en as given_name_en,
        given_names.name_fr as given_name_fr,
        last_segments.decided_by,
        last_segments.decided_on,
        last_segments.reason,
        born.trained_at as born_at,
        lives.born_in_version,
        lives.last_version,
        lives.version_count,
        last_segments.segment as last_segment,
        last_segments.jaccard as last_jaccard,
        lives.is_active,
        retired.model_version as retired_in_version,
        retired.trained_at as retired_at
    from lives
    inner join segments as last_segments
        on
            lives.identity = last_segments.identity
            and lives.last_version = last_segments.model_version
    inner join models as born on lives.born_in_version = born.model_version
    left join successors
        on lives.last_version = successors.model_version and not lives.is_active
    left join models as retired on successors.next_version = retired.model_version
    left join names on last_segments.persona = names.persona
    left join names as given_names on last_segments.given_persona = given_names.persona
)

select * from persona_registry
