-- Protects the features of taste: a group that the seed category_groups names and no column counts
-- would drop out of them in silence.
with

sessions as (
    select * from {{ ref('int_sessions') }}
    where {{ untested('changed_at') }}
),

wrong_sessions as (
    select
        sessions.session_key,
        sessions.event_count
    from sessions
    where
        sessions.event_count
        != sessions.smartphones_event_count
        + sessions.electronics_event_count
        + sessions.appliances_event_count
        + sessions.computers_event_count
        + sessions.apparel_event_count
        + sessions.furniture_event_count
        + sessions.auto_event_count
        + sessions.construction_event_count
        + sessions.accessories_event_count
        + sessions.sport_event_count
        + sessions.other_event_count
        + sessions.unknown_event_count
        + sessions.withheld_event_count
)

select * from wrong_sessions
