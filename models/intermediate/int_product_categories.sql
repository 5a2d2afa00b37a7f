{{ config(materialized='incremental', incremental_strategy='append') }}

with

events as (
    select * from {{ ref('stg_events') }}
),

new_events as (
    select events.*
    from events
    {% if is_incremental() %}
        -- by load, not by time: a late file brings old events
        where
            events.loaded_at > (
                select coalesce(max(seen.loaded_at), timestamp '1970-01-01 00:00:00')
                from {{ this }} as seen
            )
    {% endif %}
),

new_pairs as (
    select
        new_events.product_id,
        new_events.category_code,
        min(new_events.loaded_at) as loaded_at
    from new_events
    where new_events.category_code is not null
    group by new_events.product_id, new_events.category_code
),

int_product_categories as (
    select
        new_pairs.product_id,
        new_pairs.category_code,
        new_pairs.loaded_at
    from new_pairs
    {% if is_incremental() %}
        left join {{ this }} as seen
            on
                new_pairs.product_id = seen.product_id
                and new_pairs.category_code = seen.category_code
        where seen.product_id is null
    {% endif %}
)

select * from int_product_categories
