with

product_categories as (
    select * from {{ ref('int_product_categories') }}
),

-- a product that came with several codes has none that could be taken for granted
int_products as (
    select
        product_categories.product_id,
        case
            when min(product_categories.category_code) = max(product_categories.category_code)
                then min(product_categories.category_code)
        end as category_code,
        max(product_categories.loaded_at) as loaded_at
    from product_categories
    group by product_categories.product_id
)

select * from int_products
