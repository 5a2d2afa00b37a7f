{{ config(materialized='table', dist='user_key', sort=['user_key']) }}

with

as_of as (
    select * from {{ ref('int_as_of') }}
),

sessions as (
    select * from {{ ref('int_sessions') }}
),

int_recent_users as (
    select
        sessions.user_key,
        count(*) as session_count,
        cast(sum(sessions.event_count) as bigint) as event_count,
        cast(sum(sessions.revenue_amount) as decimal(18, 2)) as revenue_amount
    from sessions
    where
        sessions.ended_at > (select as_of.as_of from as_of) - interval '30 days'
        and sessions.ended_at <= (select as_of.as_of from as_of)
    group by sessions.user_key
)

select * from int_recent_users
