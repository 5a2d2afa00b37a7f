-- Protects the money: what the sessions sum up is what the events of each file and product do,
-- to the cent.
with

of_events as (
    select
        coalesce(sum(products.event_count), 0) as event_count,
        coalesce(sum(products.purchase_count), 0) as purchase_count,
        coalesce(sum(products.revenue_amount), 0) as revenue_amount
    from {{ ref('int_file_products') }} as products
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
