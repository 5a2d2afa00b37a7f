-- Protects the money: what the counts by file and product sum up is what the events of the file
-- say, to the cent. A price of 0 or above 10,000 is no revenue.
with

of_events as (
    select
        events.source_file,
        count(*) as event_count,
        count(case when events.event_type = 'purchase' then 1 end) as purchase_count,
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
    where {{ untested('events.loaded_at') }}
    group by events.source_file
),

of_products as (
    select
        products.source_file,
        sum(products.event_count) as event_count,
        sum(products.purchase_count) as purchase_count,
        sum(products.revenue_amount) as revenue_amount
    from {{ ref('int_file_products') }} as products
    where {{ untested('products.loaded_at') }}
    group by products.source_file
),

wrong_files as (
    select
        coalesce(of_events.source_file, of_products.source_file) as source_file,
        of_events.event_count,
        of_products.event_count as product_event_count
    from of_events
    full outer join of_products on of_events.source_file = of_products.source_file
    where
        of_events.source_file is null
        or of_products.source_file is null
        or of_events.event_count != of_products.event_count
        or of_events.purchase_count != of_products.purchase_count
        or of_events.revenue_amount != of_products.revenue_amount
)

select * from wrong_files
