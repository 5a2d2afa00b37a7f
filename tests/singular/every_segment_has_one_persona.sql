-- Protects the names that people read: each segment of each model version has one persona. Without,
-- its users would have a segment and no name; with two, they would count twice.
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

wrong_segments as (
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
)

select * from wrong_segments
