-- Protects the grain of sessions, whether built at once or load by load: each session holds
-- exactly its events, none lost, none counted twice, none left over.
with

events as (
    select
        events.session_key,
        count(*) as event_count
    from {{ ref('stg_events') }} as events
    group by events.session_key
),

sessions as (
    select
        sessions.session_key,
        sum(sessions.event_count) as event_count
    from {{ ref('int_sessions') }} as sessions
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
