{{ config(materialized='view') }}

with

as_of as (
    select * from {{ ref('int_as_of') }}
),

users as (
    select * from {{ ref('int_users') }}
),

recent_users as (
    select * from {{ ref('int_recent_users') }}
),

category_prices as (
    select * from {{ ref('int_category_prices') }}
),

-- the usual price of each group as one row, so that it meets the users' counts by group
usual_prices as (
    select
        max(case when category_prices.category_group = 'smartphones' then category_prices.mean_log_price end)
            as smartphones,
        max(case when category_prices.category_group = 'electronics' then category_prices.mean_log_price end)
            as electronics,
        max(case when category_prices.category_group = 'appliances' then category_prices.mean_log_price end)
            as appliances,
        max(case when category_prices.category_group = 'computers' then category_prices.mean_log_price end)
            as computers,
        max(case when category_prices.category_group = 'apparel' then category_prices.mean_log_price end)
            as apparel,
        max(case when category_prices.category_group = 'furniture' then category_prices.mean_log_price end)
            as furniture,
        max(case when category_prices.category_group = 'auto' then category_prices.mean_log_price end)
            as auto,
        max(case when category_prices.category_group = 'construction' then category_prices.mean_log_price end)
            as construction,
        max(case when category_prices.category_group = 'accessories' then category_prices.mean_log_price end)
            as accessories,
        max(case when category_prices.category_group = 'sport' then category_prices.mean_log_price end)
            as sport,
        max(case when category_prices.category_group = 'other' then category_prices.mean_log_price end)
            as other,
        max(case when category_prices.category_group = 'unknown' then category_prices.mean_log_price end)
            as unknown,
        max(case when category_prices.category_group = 'withheld' then category_prices.mean_log_price end)
            as withheld,
        sum(category_prices.mean_log_price * category_prices.priced_event_count)
        / sum(category_prices.priced_event_count) as all_groups
    from category_prices
),

counted as (
    select
        users.*,
        as_of.as_of as counted_until,
        users.smartphones_event_count
            + users.electronics_event_count
            + users.appliances_event_count
            + users.computers_event_count
            + users.apparel_event_count
            + users.furniture_event_count
            + users.auto_event_count
            + users.construction_event_count
            + users.accessories_event_count
            + users.sport_event_count
            + users.other_event_count
            as known_category_event_count,
        greatest(
            users.smartphones_event_count,
            users.electronics_event_count,
            users.appliances_event_count,
            users.computers_event_count,
            users.apparel_event_count,
            users.furniture_event_count,
            users.auto_event_count,
            users.construction_event_count,
            users.accessories_event_count,
            users.sport_event_count,
            users.other_event_count
        ) as top_category_event_count,
        -- whole days, at least one, so that a rate a week is never a rate of minutes
        greatest(
            {{ dbt.datediff('users.first_event_at', 'as_of.as_of', 'second') }} / 86400.0, 1.0
        ) as days_known,
        coalesce(recent_users.event_count, 0) as recent_event_count,
        coalesce(recent_users.session_count, 0) as recent_session_count,
        (
            users.smartphones_event_count * coalesce(usual_prices.smartphones, usual_prices.all_groups)
            + users.electronics_event_count * coalesce(usual_prices.electronics, usual_prices.all_groups)
            + users.appliances_event_count * coalesce(usual_prices.appliances, usual_prices.all_groups)
            + users.computers_event_count * coalesce(usual_prices.computers, usual_prices.all_groups)
            + users.apparel_event_count * coalesce(usual_prices.apparel, usual_prices.all_groups)
            + users.furniture_event_count * coalesce(usual_prices.furniture, usual_prices.all_groups)
            + users.auto_event_count * coalesce(usual_prices.auto, usual_prices.all_groups)
            + users.construction_event_count * coalesce(usual_prices.construction, usual_prices.all_groups)
            + users.accessories_event_count * coalesce(usual_prices.accessories, usual_prices.all_groups)
            + users.sport_event_count * coalesce(usual_prices.sport, usual_prices.all_groups)
            + users.other_event_count * coalesce(usual_prices.other, usual_prices.all_groups)
            + users.unknown_event_count * coalesce(usual_prices.unknown, usual_prices.all_groups)
            + users.withheld_event_count * coalesce(usual_prices.withheld, usual_prices.all_groups)
        ) / users.event_count as usual_log_price
    from users
    cross join as_of
    cross join usual_prices
    left join recent_users on users.user_key = recent_users.user_key
),

user_features as (
    select
        counted.user_key,
        case
            when counted.known_category_event_count = 0 then null
            when counted.smartphones_event_count = counted.top_category_event_count then 'smartphones'
            when counted.electronics_event_count = counted.top_category_event_count then 'electronics'
            when counted.appliances_event_count = counted.top_category_event_count then 'appliances'
            when counted.computers_event_count = counted.top_category_event_count then 'computers'
            when counted.apparel_event_count = counted.top_category_event_count then 'apparel'
            when counted.furniture_event_count = counted.top_category_event_count then 'furniture'
            when counted.auto_event_count = counted.top_category_event_count then 'auto'
            when counted.construction_event_count = counted.top_category_event_count then 'construction'
            when counted.accessories_event_count = counted.top_category_event_count then 'accessories'
            when counted.sport_event_count = counted.top_category_event_count then 'sport'
            when counted.other_event_count = counted.top_category_event_count then 'other'
        end as top_category,
        counted.event_count,
        counted.view_count,
        counted.cart_count,
        counted.removal_count,
        counted.purchase_count,
        counted.session_count,
        counted.order_count,
        counted.active_day_count,
        counted.revenue_amount,
        counted.is_robot,
        not counted.is_robot and counted.event_count >= {{ var('min_events') }} as is_eligible,
        counted.first_event_at,
        counted.last_event_at,
        counted.last_order_at,
        -- recency and tenure
        {{ dbt.datediff('counted.last_event_at', 'counted.counted_until', 'second') }} / 86400.0e0
            as recency_days,
        counted.days_known * 1.0e0 as tenure_days,
        {{ dbt.datediff('counted.last_order_at', 'counted.counted_until', 'second') }} / 86400.0e0
            as order_recency_days,
        -- frequency and regularity
        counted.session_count * 7.0e0 / counted.days_known as sessions_per_week,
        counted.active_day_count * 1.0e0 / counted.session_count as active_days_per_session,
        counted.active_week_count * 1.0e0 / (ceil(counted.days_known / 7.0) + 1)
            as active_week_share,
        coalesce(
            {{ dbt.datediff('counted.first_event_at', 'counted.last_event_at', 'second') }}
            / 86400.0e0 / nullif(counted.session_count - 1, 0),
            0
        ) as mean_gap_days,
        -- money
        coalesce(
            cast(counted.revenue_amount as double precision) / nullif(counted.order_count, 0), 0
        ) as average_order_amount,
        coalesce(counted.purchase_count * 1.0e0 / nullif(counted.order_count, 0), 0)
            as purchases_per_order,
        cast(counted.revenue_amount as double precision) / counted.session_count
            as revenue_per_session,
        coalesce(
            exp(
                cast(counted.log_price_sum as double precision)
                / nullif(counted.priced_event_count, 0)
                - counted.usual_log_price
            ),
            1
        ) as price_level,
        -- funnel
        counted.cart_session_count * 1.0e0 / counted.session_count as cart_session_share,
        counted.order_count * 1.0e0 / counted.session_count as order_session_share,
        coalesce(
            counted.abandoned_cart_session_count * 1.0e0 / nullif(counted.cart_session_count, 0), 0
        ) as abandonment_share,
        counted.abandoned_cart_session_count * 1.0e0 / counted.session_count
            as abandoned_session_share,
        counted.cart_count * 1.0e0 / counted.event_count as cart_event_share,
        counted.purchase_count * 1.0e0 / counted.event_count as purchase_event_share,
        coalesce(
            counted.removal_count * 1.0e0 / nullif(counted.cart_count + counted.removal_count, 0), 0
        ) as removal_share,
        counted.bounce_session_count * 1.0e0 / counted.session_count as bounce_share,
        -- depth
        counted.event_count * 1.0e0 / counted.session_count as events_per_session,
        counted.viewed_product_count * 1.0e0 / counted.session_count as products_per_session,
        coalesce(
            counted.timed_seconds / 60.0e0 / nullif(counted.timed_session_count, 0), 0
        ) as minutes_per_session,
        -- variety and taste
        coalesce(
            counted.top_category_event_count * 1.0e0
            / nullif(counted.known_category_event_count, 0),
            0
        ) as top_category_share,
        (
            {{ entropy_term('counted.smartphones_event_count', 'counted.known_category_event_count') }}
            + {{ entropy_term('counted.electronics_event_count', 'counted.known_category_event_count') }}
            + {{ entropy_term('counted.appliances_event_count', 'counted.known_category_event_count') }}
            + {{ entropy_term('counted.computers_event_count', 'counted.known_category_event_count') }}
            + {{ entropy_term('counted.apparel_event_count', 'counted.known_category_event_count') }}
            + {{ entropy_term('counted.furniture_event_count', 'counted.known_category_event_count') }}
            + {{ entropy_term('counted.auto_event_count', 'counted.known_category_event_count') }}
            + {{ entropy_term('counted.construction_event_count', 'counted.known_category_event_count') }}
            + {{ entropy_term('counted.accessories_event_count', 'counted.known_category_event_count') }}
            + {{ entropy_term('counted.sport_event_count', 'counted.known_category_event_count') }}
            + {{ entropy_term('counted.other_event_count', 'counted.known_category_event_count') }}
        ) as category_entropy,
        coalesce(counted.smartphones_event_count * 1.0e0 / nullif(counted.known_category_event_count, 0), 0)
            as smartphones_share,
        coalesce(counted.electronics_event_count * 1.0e0 / nullif(counted.known_category_event_count, 0), 0)
            as electronics_share,
        coalesce(counted.appliances_event_count * 1.0e0 / nullif(counted.known_category_event_count, 0), 0)
            as appliances_share,
        coalesce(counted.computers_event_count * 1.0e0 / nullif(counted.known_category_event_count, 0), 0)
            as computers_share,
        coalesce(counted.apparel_event_count * 1.0e0 / nullif(counted.known_category_event_count, 0), 0)
            as apparel_share,
        coalesce(counted.furniture_event_count * 1.0e0 / nullif(counted.known_category_event_count, 0), 0)
            as furniture_share,
        coalesce(counted.auto_event_count * 1.0e0 / nullif(counted.known_category_event_count, 0), 0)
            as auto_share,
        coalesce(counted.construction_event_count * 1.0e0 / nullif(counted.known_category_event_count, 0), 0)
            as construction_share,
        coalesce(counted.accessories_event_count * 1.0e0 / nullif(counted.known_category_event_count, 0), 0)
            as accessories_share,
        coalesce(counted.sport_event_count * 1.0e0 / nullif(counted.known_category_event_count, 0), 0)
            as sport_share,
        coalesce(counted.other_event_count * 1.0e0 / nullif(counted.known_category_event_count, 0), 0)
            as other_share,
        counted.brand_count * 1.0e0 / counted.session_count as brands_per_session,
        coalesce(
            1 - counted.viewed_product_count * 1.0e0 / nullif(counted.view_count, 0), 0
        ) as repeat_view_share,
        -- timing
        counted.night_event_count * 1.0e0 / counted.event_count as night_share,
        counted.weekend_event_count * 1.0e0 / counted.event_count as weekend_share,
        counted.campaign_event_count * 1.0e0 / counted.event_count as campaign_share,
        -- trend
        counted.recent_event_count * 1.0e0 / counted.event_count as recent_event_share,
        counted.recent_session_count * 1.0e0 as recent_session_count,
        counted.counted_until as as_of
    from counted
)

select * from user_features
