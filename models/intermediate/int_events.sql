with

events as (
    select * from {{ ref('stg_events') }}
),

products as (
    select * from {{ ref('int_products') }}
),

categories as (
    select * from {{ ref('int_categories') }}
),

completed as (
    select
        events.*,
        coalesce(events.category_code, products.category_code) as completed_category_code,
        -- when a product's code becomes known, or doubtful, its events without a code change too
        case
            when events.category_code is null and products.changed_at > events.loaded_at
                then products.changed_at
            else events.loaded_at
        end as changed_at
    from events
    left join products
        on
            events.product_id = products.product_id
            and events.category_code is null
),

int_events as (
    select
        completed.user_key,
        completed.session_key,
        completed.product_id,
        completed.category_id,
        completed.event_type,
        completed.completed_category_code as category_code,
        categories.category_level_1,
        categories.category_level_2,
        categories.category_level_3,
        coalesce(categories.category_group, 'unknown') as category_group,
        completed.brand,
        completed.price,
        -- the highest price of a month of real data is 2,574.07: four times that is an error
        case
            when completed.price > 0 and completed.price <= 10000 then completed.price
        end as usable_price,
        completed.has_session,
        completed.is_category_corrected,
        completed.category_code is null
        and completed.completed_category_code is not null as is_category_completed,
        coalesce(categories.is_sensitive, false) as is_sensitive,
        completed.event_at,
        completed.source_file,
        completed.loaded_at,
        completed.changed_at
    from completed
    left join categories
        on completed.completed_category_code = categories.category_code
)

select * from int_events
