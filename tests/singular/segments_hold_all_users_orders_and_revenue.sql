-- Protects what business intelligence shows: the segments, with the row of those who have none, are
-- all users, all events, all orders and all revenue, and their shares make up the whole.
with

of_users as (
    select
        count(*) as user_count,
        coalesce(sum(users.event_count), 0) as event_count,
        coalesce(sum(users.order_count), 0) as order_count,
        coalesce(sum(users.revenue_amount), 0) as revenue_amount
    from {{ ref('user_features') }} as users
),

of_segments as (
    select
        coalesce(sum(segments.user_count), 0) as user_count,
        coalesce(sum(segments.event_count), 0) as event_count,
        coalesce(sum(segments.order_count), 0) as order_count,
        coalesce(sum(segments.revenue_amount), 0) as revenue_amount,
        coalesce(sum(segments.user_share), 0) as user_share,
        coalesce(sum(segments.order_share), 0) as order_share,
        coalesce(sum(segments.revenue_share), 0) as revenue_share
    from {{ ref('segments') }} as segments
),

-- a share of nothing is 0
differences as (
    select
        of_segments.user_count - of_users.user_count as user_difference,
        of_segments.event_count - of_users.event_count as event_difference,
        of_segments.order_count - of_users.order_count as order_difference,
        of_segments.revenue_amount - of_users.revenue_amount as revenue_difference,
        of_segments.user_share
        - case when of_users.user_count > 0 then 1 else 0 end as user_share_difference,
        of_segments.order_share
        - case when of_users.order_count > 0 then 1 else 0 end as order_share_difference,
        of_segments.revenue_share
        - case when of_users.revenue_amount > 0 then 1 else 0 end as revenue_share_difference
    from of_users
    cross join of_segments
)

select * from differences
where
    user_difference != 0
    or event_difference != 0
    or order_difference != 0
    or revenue_difference != 0
    or abs(user_share_difference) > 1e-9
    or abs(order_share_difference) > 1e-9
    or abs(revenue_share_difference) > 1e-9
