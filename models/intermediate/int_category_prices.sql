{{ config(materialized='table') }}

with

as_of as (
    select * from {{ ref('int_as_of') }}
),

sessions as (
    select * from {{ ref('int_sessions') }}
),

-- Sessions spent in one group alone are most of all sessions, and tell the group's price level
-- without a second pass over the events.
int_category_prices as (
    select
        sessions.only_category_group as category_group,
        sum(sessions.priced_event_count) as priced_event_count,
        cast(sum(sessions.log_price_sum) as double precision)
        / nullif(sum(sessions.priced_event_count), 0) as mean_log_price
    from sessions
    where
        sessions.only_category_group is not null
        and sessions.ended_at <= (select as_of.as_of from as_of)
    group by sessions.only_category_group
)

select * from int_category_prices
