{{ config(materialized='table') }}

with

file_products as (
    select * from {{ ref('int_file_products') }}
),

withdrawn as (
    select * from {{ ref('stg_withdrawn_events') }}
),

-- A product's code may be another since a new code came, or since one may have gone.
codes as (
    select
        file_products.product_id,
        file_products.category_code,
        min(file_products.loaded_at) as first_loaded_at,
        case when file_products.category_code is not null then min(file_products.loaded_at) end
            as changed_at
    from file_products
    group by file_products.product_id, file_products.category_code
    union all
    select
        withdrawn.product_id,
        cast(null as varchar(128)) as category_code,
        cast(null as timestamp) as first_loaded_at,
        max(withdrawn.withdrawn_at) as changed_at
    from withdrawn
    where withdrawn.product_id is not null
    group by withdrawn.product_id
),

-- a product that came with several codes has none that could be taken for granted
int_products as (
    select
        codes.product_id,
        case
            when min(codes.category_code) = max(codes.category_code) then min(codes.category_code)
        end as category_code,
        max(codes.changed_at) as changed_at,
        count(case when codes.category_code is null then codes.first_loaded_at end) > 0
            as has_uncoded_events
    from codes
    group by codes.product_id
    -- a product of withdrawn events alone is none
    having count(codes.first_loaded_at) > 0
)

select * from int_products
