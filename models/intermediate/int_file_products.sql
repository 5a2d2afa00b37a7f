{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ delete_files_not_loaded() }}"
) }}

-- depends_on: {{ ref('stg_event_files') }}
with

events as (
    select * from {{ ref('stg_events') }}
),

int_file_products as (
    select
        events.source_file,
        events.product_id,
        events.category_code,
        count(*) as event_count,
        count(case when events.event_type = 'purchase' then 1 end) as purchase_count,
        cast(
            coalesce(
                sum(
                    case
                        when events.event_type = 'purchase' and events.price between 0.01 and 10000
                            then events.price
                    end
                ),
                0
            ) as decimal(18, 2)
        ) as revenue_amount,
        count(case when events.is_category_corrected then 1 end) as category_corrected_count,
        count(case when events.brand is null then 1 end) as brand_unknown_count,
        count(case when events.price = 0 then 1 end) as price_zero_count,
        count(case when events.price > 10000 then 1 end) as price_outlying_count,
        count(case when not events.has_session then 1 end) as session_missing_count,
        max(events.loaded_at) as loaded_at
    from events
    {% if is_incremental() %}
        -- by load, not by time: a late file brings old events
        where
            events.loaded_at > (
                select coalesce(max(seen.loaded_at), timestamp '1970-01-01 00:00:00')
                from {{ this }} as seen
            )
    {% endif %}
    group by events.source_file, events.product_id, events.category_code
)

select * from int_file_products
