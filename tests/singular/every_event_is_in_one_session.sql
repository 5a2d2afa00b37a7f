-- Protects the grain of sessions, whether built at once or load by load: each session holds
-- exactly its events, none lost, none counted twice, none left over.
with

looked_at as (
    select events.session_key
    from {{ ref('stg_events') }} as events
    where {{ untested('events.loaded_at') }} and {{ sampled('events.user_key') }}
    union distinct
    select sessions.session_key
    from {{ ref('int_sessions') }} as sessions
    where {{ untested('sessions.changed_at') }} and {{ sampled('sessions.user_key') }}
),

events as (
    select
        events.session_key,
        count(*) as event_count
    from {{ ref('stg_events') }} as events
    inner join looked_at on events.session_key = looked_at.session_key
    where {{ sampled('events.user_key') }}
    group by events.session_key
),

sessions as (
    select
        sessions.session_key,
        sum(sessions.event_count) as event_count
    from {{ ref('int_sessions') }} as sessions
    inner join looked_at on sessions.session_key = looked_at.session_key
    where {{ sampled('sessions.user_key') }}
    group by sessions.session_key
),

wrong_sessions as (
    select
        coalesce(events.session_key, sessions.session_key) as session_key,
        events.event_count,
        sessions.event_count as session_event_count
    from events
    full outer join sessions on events.session_key = sessions.session_key
    where coalesce(events.event_count, 0) != coalesce(sessions.event_count, 0)
)

select * from wrong_sessions
