-- Protects the names that people read: each segment of each model version has one persona, and no
-- two segments of a version share one, save those that wait for a review.
with

segments as (
    select distinct
        parameters.model_version,
        parameters.segment
    from {{ ref('segmentation_parameters') }} as parameters
    where parameters.parameter = 'intercept'
),

personas as (
    select * from {{ ref('segmentation_personas') }}
),

nameless as (
    select
        segments.model_version,
        segments.segment,
        count(personas.persona) as persona_count
    from segments
    left join personas
        on
            segments.model_version = personas.model_version
            and segments.segment = personas.segment
    group by segments.model_version, segments.segment
    having count(personas.persona) != 1
),

shared as (
    select
        personas.model_version,
        personas.persona,
        count(*) as segment_count
    from personas
    where personas.persona != 'to_be_reviewed'
    group by personas.model_version, personas.persona
    having count(*) > 1
),

wrong_personas as (
    select
        nameless.model_version,
        nameless.segment,
        cast(null as varchar(64)) as persona
    from nameless
    union all
    select
        shared.model_version,
        cast(null as bigint) as segment,
        shared.persona
    from shared
)

select * from wrong_personas
