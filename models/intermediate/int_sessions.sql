{{ config(
    materialized='incremental_by_load',
    unique_key='session_key',
    one_load_at_a_time=true,
    dist='user_key',
    sort=['user_key']
) }}

-- depends_on: {{ ref('stg_event_files') }}
-- depends_on: {{ ref('stg_events') }}
-- depends_on: {{ ref('stg_withdrawn_events') }}
-- depends_on: {{ ref('int_products') }}
with

campaign_days as (
    select * from {{ ref('marketing_calendar') }}
),

products as (
    select * from {{ ref('int_products') }}
),

withdrawn as (
    select * from {{ ref('stg_withdrawn_events') }}
),

-- Events are named several times in place of one CTE: DuckDB would write that out, all events of
-- all time.
--
-- Sessions that have events of earlier loads and are rebuilt from all their events: one more came,
-- however late (hence by load, not by time); the category of a product in it became known or
-- doubtful; or a file was withdrawn that had events of it.
touched_sessions as (
    select built.session_key
    from {{ this }} as built
    where
        {{ in_slice('built.user_key') }}
        and built.session_key in (
            select new_events.session_key
            from {{ ref('stg_events') }} as new_events
            where
                {{ in_slice('new_events.user_key') }}
                and new_events.loaded_at > {{ built_until() }}
                and new_events.loaded_at <= {{ build_until() }}
        )
    union distinct
    select uncoded_events.session_key
    from {{ ref('stg_events') }} as uncoded_events
    inner join products on uncoded_events.product_id = products.product_id
    where
        {{ in_slice('uncoded_events.user_key') }}
        and uncoded_events.category_code is null
        and uncoded_events.loaded_at <= {{ built_until() }}
        and products.has_uncoded_events
        and products.changed_at > {{ built_until() }}
        and products.changed_at <= {{ build_until() }}
    union distinct
    select withdrawn.session_key
    from withdrawn
    where
        {{ in_slice('withdrawn.user_key') }}
        and withdrawn.withdrawn_at > {{ built_until() }}
        and withdrawn.withdrawn_at <= {{ build_until() }}
),

events as (
    select new_events.*
    from {{ ref('int_events') }} as new_events
    where
        {{ in_slice('new_events.user_key') }}
        and new_events.loaded_at > {{ built_until() }}
        and new_events.loaded_at <= {{ build_until() }}
    union all
    select old_events.*
    from {{ ref('int_events') }} as old_events
    inner join touched_sessions on old_events.session_key = touched_sessions.session_key
    where
        {{ in_slice('old_events.user_key') }}
        and old_events.loaded_at <= {{ built_until() }}
),

int_sessions as (
    select
        events.session_key,
        min(events.user_key) as user_key,
        case
            when min(events.category_group) = max(events.category_group)
                then min(events.category_group)
        end as only_category_group,
        count(*) as event_count,
        count(case when events.event_type = 'view' then 1 end) as view_count,
        count(case when events.event_type = 'cart' then 1 end) as cart_count,
        count(case when events.event_type = 'remove_from_cart' then 1 end)
            as removal_count,
        count(case when events.event_type = 'purchase' then 1 end) as purchase_count,
        count(distinct case when events.event_type = 'view' then events.product_id end)
            as viewed_product_count,
        count(distinct events.brand) as brand_count,
        count(distinct events.category_id) as category_count,
        count(events.usable_price) as priced_event_count,
        -- 21:00 to 02:59 UTC, the quietest hours of the real files: night on Moscow's clock
        count(case when extract(hour from events.event_at) in (21, 22, 23, 0, 1, 2) then 1 end)
            as night_event_count,
        count(case when extract(dow from events.event_at) in (0, 6) then 1 end)
            as weekend_event_count,
        count(campaign_days.campaign_on) as campaign_event_count,
        count(case when events.category_group = 'smartphones' then 1 end)
            as smartphones_event_count,
        count(case when events.category_group = 'electronics' then 1 end)
            as electronics_event_count,
        count(case when events.category_group = 'appliances' then 1 end)
            as appliances_event_count,
        count(case when events.category_group = 'computers' then 1 end)
            as computers_event_count,
        count(case when events.category_group = 'apparel' then 1 end)
            as apparel_event_count,
        count(case when events.category_group = 'furniture' then 1 end)
            as furniture_event_count,
        count(case when events.category_group = 'auto' then 1 end)
            as auto_event_count,
        count(case when events.category_group = 'construction' then 1 end)
            as construction_event_count,
        count(case when events.category_group = 'accessories' then 1 end)
            as accessories_event_count,
        count(case when events.category_group = 'sport' then 1 end)
            as sport_event_count,
        count(case when events.category_group = 'other' then 1 end)
            as other_event_count,
        count(case when events.category_group = 'unknown' then 1 end)
            as unknown_event_count,
        count(case when events.category_group = 'withheld' then 1 end)
            as withheld_event_count,
        {{ dbt.datediff('min(events.event_at)', 'max(events.event_at)', 'second') }}
            as duration_seconds,
        cast(
            coalesce(
                sum(case when events.event_type = 'purchase' then events.usable_price end), 0
            ) as decimal(18, 2)
        ) as revenue_amount,
        -- decimals, for their sums are exact: they do not depend on the order of the rows
        cast(count(distinct events.category_id) / sqrt(count(*)) as decimal(18, 6))
            as category_spread,
        cast(
            coalesce(sum(cast(ln(events.usable_price) as decimal(18, 6))), 0) as decimal(18, 6)
        ) as log_price_sum,
        min(events.event_at) as started_at,
        max(events.event_at) as ended_at,
        max(events.changed_at) as changed_at
    from events
    left join campaign_days on cast(events.event_at as date) = campaign_days.campaign_on
    group by events.session_key
)

select * from int_sessions
