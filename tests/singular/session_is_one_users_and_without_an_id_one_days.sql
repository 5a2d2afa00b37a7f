-- Protects sessions from running together: a few session ids are shared by two users, and the rows
-- without an id would make one giant session.
with

events as (
    select * from {{ ref('stg_events') }}
    where {{ untested('loaded_at') }} and {{ sampled('session_key') }}
),

wrong_sessions as (
    select
        events.session_key,
        min(events.event_at) as first_event_at,
        max(events.event_at) as last_event_at
    from events
    group by events.session_key
    having
        min(events.user_key) != max(events.user_key)
        or (
            min(case when events.has_session then 1 else 0 end) = 0
            and cast(min(events.event_at) as date) != cast(max(events.event_at) as date)
        )
)

select * from wrong_sessions
