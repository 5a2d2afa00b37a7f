with

file_products as (
    select * from {{ ref('int_file_products') }}
),

products as (
    select * from {{ ref('int_products') }}
),

categories as (
    select * from {{ ref('int_categories') }}
),

int_file_counts as (
    select
        file_products.source_file,
        sum(file_products.event_count) as kept_count,
        sum(
            case
                when file_products.category_code is null and products.category_code is not null
                    then file_products.event_count
            end
        ) as category_completed_count,
        sum(file_products.category_corrected_count) as category_corrected_count,
        sum(case when categories.is_sensitive then file_products.event_count end)
            as category_withheld_count,
        sum(case when categories.category_code is null then file_products.event_count end)
            as category_unknown_count,
        sum(file_products.brand_unknown_count) as brand_unknown_count,
        sum(file_products.price_zero_count) as price_zero_count,
        sum(file_products.price_outlying_count) as price_outlying_count,
        sum(file_products.session_missing_count) as session_missing_count
    from file_products
    left join products on file_products.product_id = products.product_id
    left join categories
        on coalesce(file_products.category_code, products.category_code) = categories.category_code
    group by file_products.source_file
)

select * from int_file_counts
