with

users as (
    select * from {{ ref('user_features') }}
),

user_segments as (
    select * from {{ ref('user_segments') }}
),

profiles as (
    select * from {{ ref('segment_profiles') }}
),

catalogue as (
    select * from {{ ref('feature_catalogue') }}
),

personas as (
    select * from {{ ref('personas') }}
),

-- Users without a segment make the row 0, so that shares and sums are those of all users.
totals as (
    select
        coalesce(user_segments.segment, 0) as segment,
        max(user_segments.model_version) as model_version,
        coalesce(max(user_segments.persona), 'unsegmented') as persona,
        count(*) as user_count,
        sum(users.event_count) as event_count,
        sum(users.order_count) as order_count,
        sum(users.revenue_amount) as revenue_amount,
        avg(cast(user_segments.confidence as double precision)) as mean_confidence,
        max(user_segments.as_of) as as_of
    from users
    inner join user_segments on users.user_key = user_segments.user_key
    group by coalesce(user_segments.segment, 0)
),

all_users as (
    select
        sum(totals.user_count) as user_count,
        sum(totals.order_count) as order_count,
        sum(totals.revenue_amount) as revenue_amount
    from totals
),

ranked as (
    select
        profiles.segment,
        catalogue.label_en,
        catalogue.label_fr,
        profiles.deviation,
        row_number() over (
            partition by profiles.segment
            order by abs(profiles.deviation) desc, profiles.feature
        ) as position
    from profiles
    inner join catalogue on profiles.feature = catalogue.feature
    where catalogue.is_in_model and profiles.deviation is not null
),

phrases as (
    select
        ranked.segment,
        ranked.position,
        case when ranked.deviation > 0 then 'high ' else 'low ' end || ranked.label_en as phrase_en,
        ranked.label_fr
        || case when ranked.deviation > 0 then ' : haut' else ' : bas' end as phrase_fr
    from ranked
    where ranked.position <= 3
),

differences as (
    select
        phrases.segment,
        max(case when phrases.position = 1 then phrases.phrase_en end)
        || max(case when phrases.position = 2 then ', ' || phrases.phrase_en else '' end)
        || max(case when phrases.position = 3 then ', ' || phrases.phrase_en else '' end)
            as sets_apart_en,
        max(case when phrases.position = 1 then phrases.phrase_fr end)
        || max(case when phrases.position = 2 then ', ' || phrases.phrase_fr else '' end)
        || max(case when phrases.position = 3 then ', ' || phrases.phrase_fr else '' end)
            as sets_apart_fr
    from phrases
    group by phrases.segment
),

segments as (
    select
        cast(totals.segment as integer) as segment,
        cast(totals.model_version as integer) as model_version,
        totals.persona,
        coalesce(personas.name_en, 'No segment yet') as persona_name_en,
        coalesce(personas.name_fr, 'Pas encore de segment') as persona_name_fr,
        personas.description_en,
        personas.description_fr,
        personas.advice_en,
        personas.advice_fr,
        differences.sets_apart_en,
        differences.sets_apart_fr,
        totals.user_count,
        cast(totals.event_count as bigint) as event_count,
        cast(totals.order_count as bigint) as order_count,
        cast(totals.revenue_amount as decimal(18, 2)) as revenue_amount,
        cast(totals.user_count as double precision) / all_users.user_count as user_share,
        coalesce(
            cast(totals.order_count as double precision)
            / nullif(all_users.order_count, 0),
            0
        ) as order_share,
        coalesce(
            cast(totals.revenue_amount as double precision)
            / nullif(cast(all_users.revenue_amount as double precision), 0),
            0
        ) as revenue_share,
        totals.mean_confidence,
        totals.as_of
    from totals
    cross join all_users
    left join differences on totals.segment = differences.segment
    left join personas on totals.persona = personas.persona
)

select * from segments
