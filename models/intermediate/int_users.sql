{{ config(
    materialized='incremental_by_load',
    unique_key='user_key',
    touched_by='int_sessions',
    dist='user_key',
    sort=['user_key']
) }}

-- depends_on: {{ ref('stg_event_files') }}
-- depends_on: {{ ref('stg_withdrawn_events') }}

{# Named twice in place of one CTE: DuckDB would write that out, all sessions of all time. A session
   counts once it is over. #}
{% set counted_sessions -%}
    {{ ref('int_sessions') }} as sessions
    where
        {{ in_slice('sessions.user_key') }}
        and sessions.user_key in (select touched_users.user_key from touched_users)
        {% if var('as_of') is not none %}
            and sessions.ended_at <= cast('{{ var("as_of") }}' as timestamp)
        {% endif %}
{%- endset %}

with

-- A user with one session that changed, or is no more, is rebuilt from all sessions.
touched_users as (
    select sessions.user_key
    from {{ ref('int_sessions') }} as sessions
    where
        {{ in_slice('sessions.user_key') }}
        and sessions.changed_at > {{ built_until() }}
    union distinct
    select withdrawn.user_key
    from {{ ref('stg_withdrawn_events') }} as withdrawn
    where
        {{ in_slice('withdrawn.user_key') }}
        and withdrawn.withdrawn_at > {{ built_until() }}
),

days as (
    select
        sessions.user_key,
        cast(sessions.started_at as date) as active_on,
        sum(sessions.event_count) as event_count
    from {{ counted_sessions }}
    group by sessions.user_key, cast(sessions.started_at as date)
),

active_days as (
    select
        days.user_key,
        count(*) as active_day_count,
        count(distinct date_trunc('week', days.active_on)) as active_week_count,
        max(days.event_count) as busiest_day_event_count
    from days
    group by days.user_key
),

totals as (
    select
        sessions.user_key,
        count(*) as session_count,
        count(case when sessions.event_count = 1 then 1 end)
            as bounce_session_count,
        count(case when sessions.cart_count > 0 then 1 end)
            as cart_session_count,
        count(case when sessions.cart_count > 0 and sessions.purchase_count = 0 then 1 end)
            as abandoned_cart_session_count,
        count(case when sessions.purchase_count > 0 then 1 end) as order_count,
        max(sessions.event_count) as longest_session_event_count,
        cast(sum(sessions.event_count) as bigint) as event_count,
        cast(sum(sessions.view_count) as bigint) as view_count,
        cast(sum(sessions.cart_count) as bigint) as cart_count,
        cast(sum(sessions.removal_count) as bigint) as removal_count,
        cast(sum(sessions.purchase_count) as bigint) as purchase_count,
        cast(sum(sessions.viewed_product_count) as bigint) as viewed_product_count,
        cast(sum(sessions.brand_count) as bigint) as brand_count,
        cast(sum(sessions.category_count) as bigint) as category_count,
        cast(sum(sessions.category_spread) as decimal(18, 6)) as category_spread_sum,
        cast(sum(sessions.priced_event_count) as bigint) as priced_event_count,
        cast(sum(sessions.night_event_count) as bigint) as night_event_count,
        cast(sum(sessions.weekend_event_count) as bigint) as weekend_event_count,
        cast(sum(sessions.campaign_event_count) as bigint) as campaign_event_count,
        cast(sum(sessions.smartphones_event_count) as bigint) as smartphones_event_count,
        cast(sum(sessions.electronics_event_count) as bigint) as electronics_event_count,
        cast(sum(sessions.appliances_event_count) as bigint) as appliances_event_count,
        cast(sum(sessions.computers_event_count) as bigint) as computers_event_count,
        cast(sum(sessions.apparel_event_count) as bigint) as apparel_event_count,
        cast(sum(sessions.furniture_event_count) as bigint) as furniture_event_count,
        cast(sum(sessions.auto_event_count) as bigint) as auto_event_count,
        cast(sum(sessions.construction_event_count) as bigint) as construction_event_count,
        cast(sum(sessions.accessories_event_count) as bigint) as accessories_event_count,
        cast(sum(sessions.sport_event_count) as bigint) as sport_event_count,
        cast(sum(sessions.other_event_count) as bigint) as other_event_count,
        cast(sum(sessions.unknown_event_count) as bigint) as unknown_event_count,
        cast(sum(sessions.withheld_event_count) as bigint) as withheld_event_count,
        -- A session of more than a day is an id that came back: its length says nothing.
        count(case when sessions.duration_seconds <= 86400 then 1 end)
            as timed_session_count,
        cast(
            sum(
                case
                    when sessions.duration_seconds <= 86400 then sessions.duration_seconds else 0
                end
            ) as bigint
        ) as timed_seconds,
        cast(sum(sessions.revenue_amount) as decimal(18, 2)) as revenue_amount,
        cast(sum(sessions.log_price_sum) as decimal(18, 6)) as log_price_sum,
        min(sessions.started_at) as first_event_at,
        max(sessions.ended_at) as last_event_at,
        max(case when sessions.purchase_count > 0 then sessions.ended_at end) as last_order_at,
        max(sessions.changed_at) as changed_at
    from {{ counted_sessions }}
    group by sessions.user_key
),

int_users as (
    select
        totals.*,
        active_days.active_day_count,
        active_days.active_week_count,
        active_days.busiest_day_event_count,
        -- measured: 99.9 % of sessions have at most 71 events, one robot made 32,363 in a day
        totals.longest_session_event_count > 500
        or active_days.busiest_day_event_count > 1000 as is_robot
    from totals
    inner join active_days on totals.user_key = active_days.user_key
)

select * from int_users
