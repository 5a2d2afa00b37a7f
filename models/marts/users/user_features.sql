{{ config(materialized='view') }}

{% set known_groups = [
    'smartphones', 'electronics', 'appliances', 'computers', 'apparel', 'furniture', 'auto',
    'construction', 'accessories', 'sport', 'other'
] %}

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
        {% for group in known_groups + ['unknown', 'withheld'] %}
            max(
                case
                    when category_prices.category_group = '{{ group }}'
                        then category_prices.mean_log_price
                end
            ) as {{ group }},
        {% endfor %}
        -- summed as decimals: a sum of floats would depend on the order of the rows
        cast(
            sum(
                cast(
                    category_prices.mean_log_price * category_prices.priced_event_count
                    as decimal(28, 9)
                )
            ) as double precision
        ) / sum(category_prices.priced_event_count) as all_groups
    from category_prices
),

counted as (
    select
        users.*,
        as_of.as_of as counted_until,
        {% for group in known_groups %}
            {{ '+ ' if not loop.first }}users.{{ group }}_event_count
        {% endfor %}
            as known_category_event_count,
        greatest(
            {% for group in known_groups %}
                users.{{ group }}_event_count{{ ',' if not loop.last }}
            {% endfor %}
        ) as top_category_event_count,
        -- calendar weeks, the first and the last included
        cast(
            {{ dbt.datediff(
                "date_trunc('week', users.first_event_at)", "date_trunc('week', as_of.as_of)", 'day'
            ) }} as double precision
        ) / 7 + 1 as weeks_known,
        -- at least one day, so that a rate a week is never a rate of minutes
        greatest(
            cast(
                {{ dbt.datediff('users.first_event_at', 'as_of.as_of', 'second') }}
                as double precision
            ) / 86400,
            1
        ) as days_known,
        coalesce(recent_users.event_count, 0) as recent_event_count,
        coalesce(recent_users.session_count, 0) as recent_session_count,
        (
            {% for group in known_groups + ['unknown', 'withheld'] %}
                {{ '+ ' if not loop.first }}users.{{ group }}_event_count
                * coalesce(usual_prices.{{ group }}, usual_prices.all_groups)
            {% endfor %}
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
            {% for group in known_groups %}
                when counted.{{ group }}_event_count = counted.top_category_event_count
                    then '{{ group }}'
            {% endfor %}
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
        cast(
            {{ dbt.datediff('counted.last_event_at', 'counted.counted_until', 'second') }}
            as double precision
        ) / 86400 as recency_days,
        counted.days_known as tenure_days,
        cast(
            {{ dbt.datediff('counted.last_order_at', 'counted.counted_until', 'second') }}
            as double precision
        ) / 86400 as order_recency_days,
        -- frequency and regularity
        counted.session_count * 7 / counted.days_known as sessions_per_week,
        cast(counted.active_day_count as double precision) / counted.session_count
            as active_days_per_session,
        cast(counted.active_week_count as double precision) / counted.weeks_known
            as active_week_share,
        coalesce(
            cast(
                {{ dbt.datediff('counted.first_event_at', 'counted.last_event_at', 'second') }}
                as double precision
            ) / 86400 / nullif(counted.session_count - 1, 0),
            0
        ) as mean_gap_days,
        -- money
        coalesce(
            cast(counted.revenue_amount as double precision) / nullif(counted.order_count, 0), 0
        ) as average_order_amount,
        coalesce(
            cast(counted.purchase_count as double precision)
            / nullif(counted.order_count, 0),
            0
        )
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
        cast(counted.cart_session_count as double precision) / counted.session_count
            as cart_session_share,
        cast(counted.order_count as double precision) / counted.session_count
            as order_session_share,
        coalesce(
            cast(counted.abandoned_cart_session_count as double precision)
            / nullif(counted.cart_session_count, 0),
            0
        ) as abandonment_share,
        cast(counted.abandoned_cart_session_count as double precision) / counted.session_count
            as abandoned_session_share,
        cast(counted.cart_count as double precision) / counted.event_count as cart_event_share,
        cast(counted.purchase_count as double precision) / counted.event_count
            as purchase_event_share,
        coalesce(
            cast(counted.removal_count as double precision)
            / nullif(counted.cart_count + counted.removal_count, 0),
            0
        ) as removal_share,
        cast(counted.bounce_session_count as double precision) / counted.session_count
            as bounce_share,
        -- depth
        cast(counted.event_count as double precision) / counted.session_count as events_per_session,
        cast(counted.viewed_product_count as double precision) / counted.session_count
            as products_per_session,
        coalesce(
            cast(counted.timed_seconds as double precision) / 60
            / nullif(counted.timed_session_count, 0),
            0
        ) as minutes_per_session,
        -- variety and taste
        coalesce(
            cast(counted.top_category_event_count as double precision)
            / nullif(counted.known_category_event_count, 0),
            0
        ) as top_category_share,
        (
            {% for group in known_groups %}
                {{ '+ ' if not loop.first }}{{ entropy_term(
                    'counted.' ~ group ~ '_event_count', 'counted.known_category_event_count'
                ) }}
            {% endfor %}
        ) as category_entropy,
        {% for group in known_groups %}
            coalesce(
                cast(counted.{{ group }}_event_count as double precision)
                / nullif(counted.known_category_event_count, 0),
                0
            ) as {{ group }}_share,
        {% endfor %}
        cast(counted.category_count as double precision) / counted.session_count
            as categories_per_session,
        cast(counted.category_spread_sum as double precision) / counted.session_count
            as category_spread,
        cast(counted.brand_count as double precision) / counted.session_count as brands_per_session,
        coalesce(
            1 - cast(counted.viewed_product_count as double precision)
            / nullif(counted.view_count, 0),
            0
        ) as repeat_view_share,
        -- timing
        cast(counted.night_event_count as double precision) / counted.event_count as night_share,
        cast(counted.weekend_event_count as double precision) / counted.event_count
            as weekend_share,
        cast(counted.campaign_event_count as double precision) / counted.event_count
            as campaign_share,
        -- trend
        cast(counted.recent_event_count as double precision) / counted.event_count
            as recent_event_share,
        cast(counted.recent_session_count as double precision) as recent_session_count,
        counted.counted_until as as_of
    from counted
)

select * from user_features
