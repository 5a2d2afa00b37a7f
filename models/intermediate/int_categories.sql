{{ config(materialized='table') }}

with

file_products as (
    select * from {{ ref('int_file_products') }}
),

category_groups as (
    select * from {{ ref('category_groups') }}
),

sensitive_categories as (
    select * from {{ ref('sensitive_categories') }}
),

codes as (
    select distinct file_products.category_code
    from file_products
    where file_products.category_code is not null
),

-- the longest prefix wins: electronics.smartphone before electronics
matched as (
    select
        codes.category_code,
        category_groups.category_group,
        row_number() over (
            partition by codes.category_code
            order by length(category_groups.category_prefix) desc, category_groups.category_prefix
        ) as match_number
    from codes
    left join category_groups
        on codes.category_code || '.' like category_groups.category_prefix || '.%'
),

sensitive as (
    select distinct codes.category_code
    from codes
    inner join sensitive_categories
        on codes.category_code || '.' like sensitive_categories.category_prefix || '.%'
),

int_categories as (
    select
        matched.category_code,
        nullif({{ dbt.split_part('matched.category_code', "'.'", 1) }}, '') as category_level_1,
        nullif({{ dbt.split_part('matched.category_code', "'.'", 2) }}, '') as category_level_2,
        nullif({{ dbt.split_part('matched.category_code', "'.'", 3) }}, '') as category_level_3,
        case
            when sensitive.category_code is not null then 'withheld'
            else coalesce(matched.category_group, 'other')
        end as category_group,
        sensitive.category_code is not null as is_sensitive
    from matched
    left join sensitive on matched.category_code = sensitive.category_code
    where matched.match_number = 1
)

select * from int_categories
