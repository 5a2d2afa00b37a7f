{{ config(materialized='view') }}

{% set event_targets = [1, 2, 3, 5, 8, 12, 20, 30, 50] %}

with

as_of as (
    select * from {{ ref('int_as_of') }}
),

category_prices as (
    select * from {{ ref('int_category_prices') }}
),

-- Keys are keyed hashes: the lowest 50,000 are a random sample.
sampled_users as (
    select users.user_key
    from {{ ref('int_users') }} as users
    where not users.is_robot
    order by users.user_key
    limit 50000
),

sampled_sessions as (
    select
        sessions.*,
        as_of.as_of,
        row_number() over (
            partition by sessions.user_key
            order by sessions.started_at desc, sessions.session_key desc
        ) as position_from_last,
        lead(sessions.started_at) over (
            partition by sessions.user_key
            order by sessions.started_at, sessions.session_key
        ) as next_started_at
    from {{ ref('int_sessions') }} as sessions
    inner join sampled_users on sessions.user_key = sampled_users.user_key
    cross join as_of
    where sessions.ended_at <= as_of.as_of
),

-- how many events of the customer lie in the sessions before and after, of all and of every second
placed_sessions as (
    select
        sessions.*,
        mod(sessions.position_from_last, 2) as parity,
        sum(sessions.event_count) over (
            partition by sessions.user_key
            order by sessions.position_from_last desc
            rows between unbounded preceding and current row
        ) - sessions.event_count as events_before,
        sum(sessions.event_count) over (
            partition by sessions.user_key
            order by sessions.position_from_last
            rows between unbounded preceding and current row
        ) - sessions.event_count as events_after,
        sum(sessions.event_count) over (
            partition by sessions.user_key, mod(sessions.position_from_last, 2)
            order by sessions.position_from_last
            rows between unbounded preceding and current row
        ) - sessions.event_count as events_after_of_parity
    from sampled_sessions as sessions
),

event_targets as (
    {% for target in event_targets %}
        select {{ target }} as event_target
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Each part is looked at as the warehouse would have: at as_of, the early ones when the next
-- session began (or when the last of theirs ended, for sessions may overlap).
parts as (
    select
        sessions.*,
        'whole' as part,
        0 as event_target,
        sessions.as_of as seen_at
    from placed_sessions as sessions
    union all
    select
        sessions.*,
        'month ago' as part,
        0 as event_target,
        sessions.as_of - interval '30 days' as seen_at
    from placed_sessions as sessions
    where sessions.ended_at <= sessions.as_of - interval '30 days'
    union all
    select
        sessions.*,
        case when sessions.parity = 1 then 'odd' else 'even' end as part,
        event_targets.event_target,
        sessions.as_of as seen_at
    from placed_sessions as sessions
    inner join event_targets on sessions.events_after_of_parity < event_targets.event_target
    union all
    select
        sessions.*,
        'late' as part,
        event_targets.event_target,
        sessions.as_of as seen_at
    from placed_sessions as sessions
    inner join event_targets on sessions.events_after < event_targets.event_target
    union all
    select
        sessions.*,
        'early' as part,
        event_targets.event_target,
        greatest(sessions.next_started_at, sessions.ended_at) as seen_at
    from placed_sessions as sessions
    inner join event_targets on sessions.events_before < event_targets.event_target
),

part_sessions as (
    select
        parts.*,
        parts.part
        || ' '
        || cast(parts.event_target as varchar(8))
        || ' '
        || cast(parts.user_key as varchar(20)) as history_key
    from parts
),

{{ summed_users('part_sessions as sessions', key='history_key') }},

histories as (
    select
        sessions.history_key,
        min(sessions.user_key) as user_key,
        min(sessions.part) as part,
        min(sessions.event_target) as event_target,
        -- of early parts the last session has the last one
        max(sessions.seen_at) as seen_at
    from part_sessions as sessions
    group by sessions.history_key
),

users as (
    select
        summed_users.*,
        histories.user_key,
        histories.part,
        histories.event_target,
        histories.seen_at as as_of
    from summed_users
    inner join histories on summed_users.history_key = histories.history_key
    where
        histories.event_target = 0
        or summed_users.event_count
        between histories.event_target and 1.5 * histories.event_target
),

recent_users as (
    select
        sessions.history_key,
        count(*) as session_count,
        cast(sum(sessions.event_count) as bigint) as event_count
    from part_sessions as sessions
    inner join histories on sessions.history_key = histories.history_key
    where sessions.ended_at > histories.seen_at - interval '30 days'
    group by sessions.history_key
),

{{ featured_users(key='history_key') }},

int_partial_histories as (
    select
        users.user_key,
        cast(users.part as varchar(16)) as part,
        users.event_target,
        {% for feature in model_features() %}
            features.{{ feature.name }},
        {% endfor %}
        features.event_count,
        features.session_count,
        features.order_count,
        features.revenue_amount,
        features.order_recency_days,
        features.as_of
    from featured_users as features
    inner join users on features.history_key = users.history_key
)

select * from int_partial_histories
