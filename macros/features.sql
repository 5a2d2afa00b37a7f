{# What is summed up of sessions and what follows from the sums, for user_features and for parts of
   users' histories alike. `key` is the column that tells whose sessions they are. #}

{# Common table expressions that end in `summed_users`: one row a key. `sessions` is what follows
   "from", under the name sessions, with its conditions. #}
{% macro summed_users(sessions, key='user_key') %}
days as (
    select
        sessions.{{ key }},
        cast(sessions.started_at as date) as active_on,
        sum(sessions.event_count) as event_count
    from {{ sessions }}
    group by sessions.{{ key }}, cast(sessions.started_at as date)
),

active_days as (
    select
        days.{{ key }},
        count(*) as active_day_count,
        count(distinct date_trunc('week', days.active_on)) as active_week_count,
        max(days.event_count) as busiest_day_event_count
    from days
    group by days.{{ key }}
),

totals as (
    select
        sessions.{{ key }},
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
    from {{ sessions }}
    group by sessions.{{ key }}
),

summed_users as (
    select
        totals.*,
        active_days.active_day_count,
        active_days.active_week_count,
        active_days.busiest_day_event_count,
        -- measured: 99.9 % of sessions have at most 71 events, one robot made 32,363 in a day
        totals.longest_session_event_count > 500
        or active_days.busiest_day_event_count > 1000 as is_robot
    from totals
    inner join active_days on totals.{{ key }} = active_days.{{ key }}
)
{% endmacro %}


{# Common table expressions that end in `featured_users`: the features of the relation `users`, which
   has the sums and the moment as_of, with `recent_users` and `category_prices` in sight. #}
{% macro featured_users(key='user_key') %}
{% set known_groups = [
    'smartphones', 'electronics', 'appliances', 'computers', 'apparel', 'furniture', 'auto',
    'construction', 'accessories', 'sport', 'other'
] %}
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
                "date_trunc('week', users.first_event_at)", "date_trunc('week', users.as_of)", 'day'
            ) }} as double precision
        ) / 7 + 1 as weeks_known,
        -- at least one day, so that a rate a week is never a rate of minutes
        greatest(
            cast(
                {{ dbt.datediff('users.first_event_at', 'users.as_of', 'second') }}
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
    cross join usual_prices
    left join recent_users on users.{{ key }} = recent_users.{{ key }}
),

featured_users as (
    select
        counted.{{ key }},
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
        counted.first_event_at,
        counted.last_event_at,
        counted.last_order_at,
        -- recency and tenure
        cast(
            {{ dbt.datediff('counted.last_event_at', 'counted.as_of', 'second') }}
            as double precision
        ) / 86400 as recency_days,
        counted.days_known as tenure_days,
        cast(
            {{ dbt.datediff('counted.last_order_at', 'counted.as_of', 'second') }}
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
        counted.as_of
    from counted
)
{% endmacro %}
