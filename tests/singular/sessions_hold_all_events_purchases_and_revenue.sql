-- Protects the money: what the sessions sum up is what the events say, to the cent. A price of 0 or
-- above 10,000 is no revenue.
with

of_events as (
    select
        count(*) as event_count,
        coalesce(sum(case when events.event_type = 'purchase' then 1 else 0 end), 0)
            as purchase_count,
        coalesce(
            sum(
                case
                    when events.event_type = 'purchase' and events.price between 0.01 and 10000
                        then events.price
                end
            ),
            0
        ) as revenue_amount
    from {{ ref('stg_events') }} as events
),

of_sessions as (
    select
        coalesce(sum(sessions.event_count), 0) as event_count,
        coalesce(sum(sessions.purchase_count), 0) as purchase_count,
        coalesce(sum(sessions.revenue_amount), 0) as revenue_amount
    from {{ ref('int_sessions') }} as sessions
),

differences as (
    select
        of_sessions.event_count - of_events.event_count as event_difference,
        of_sessions.purchase_count - of_events.purchase_count as purchase_difference,
        of_sessions.revenue_amount - of_events.revenue_amount as revenue_difference
    from of_events
    cross join of_sessions
)

select * from differences
where event_difference != 0 or purchase_difference != 0 or revenue_difference != 0
