-- Protects every count and sum: a row that came twice, in one file or in two, is one event. The
-- file and the moment of loading do not make a difference.
with

events as (
    select * from {{ ref('stg_events') }}
    where {{ untested('loaded_at') }} and {{ sampled('user_key') }}
),

duplicates as (
    select
        events.user_key,
        events.session_key,
        events.product_id,
        events.category_id,
        events.event_type,
        events.category_code,
        events.brand,
        events.price,
        events.has_session,
        events.is_category_corrected,
        events.event_at,
        count(*) as copy_count
    from events
    group by
        events.user_key,
        events.session_key,
        events.product_id,
        events.category_id,
        events.event_type,
        events.category_code,
        events.brand,
        events.price,
        events.has_session,
        events.is_category_corrected,
        events.event_at
    having count(*) > 1
)

select * from duplicates
