with

identities as (
    select * from {{ ref('segmentation_identities') }}
),

overrides as (
    select * from {{ ref('persona_overrides') }}
),

-- The latest decision on an identity wins, here as in the package, which gives no persona twice.
decisions as (
    select
        overrides.*,
        row_number() over (
            partition by overrides.identity
            order by overrides.decided_on desc, overrides.persona asc
        ) as position
    from overrides
),

segmentation_personas as (
    select
        identities.model_version,
        identities.segment,
        identities.identity,
        coalesce(decisions.persona, identities.given_persona) as persona,
        identities.given_persona,
        decisions.author as decided_by,
        decisions.decided_on,
        decisions.reason,
        identities.fit,
        identities.state,
        identities.previous_segment,
        identities.jaccard,
        identities.centroid_distance
    from identities
    left join decisions on identities.identity = decisions.identity and decisions.position = 1
)

select * from segmentation_personas
