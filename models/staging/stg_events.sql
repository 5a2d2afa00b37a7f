{{ config(materialized='event_files', dist='user_key', sort=['loaded_at', 'user_key']) }}

-- depends_on: {{ ref('stg_event_files') }}
-- depends_on: {{ ref('stg_rejected_event_lines') }}
-- depends_on: {{ ref('stg_withdrawn_events') }}

with

event_lines as (
    select * from {{ source('landing', 'event_lines') }}
),

category_corrections as (
    select * from {{ ref('category_corrections') }}
),

-- the row's place among the rows, needed only to name the line of a rejected row
numbered as (
    select
        event_lines.*,
        {{ line_place() }} as row_number
    from event_lines
),

typed as (
    select
        numbered.*,
        -- Rows without an id make one session per user and day, not one giant session.
        coalesce(numbered.user_session, left(numbered.event_time, 10)) as session_id,
        try_cast(left(numbered.event_time, 19) as timestamp) as event_at,
        try_cast(numbered.product_id as bigint) as typed_product_id,
        try_cast(numbered.category_id as bigint) as typed_category_id,
        try_cast(numbered.user_id as bigint) as typed_user_id,
        try_cast(numbered.price as decimal(11, 2)) as typed_price
    from numbered
),

-- A cast alone would guess: it reads 2.05E+18 and 5.6 as whole numbers, 24:00:00 as the next day.
-- Hence the way back to text must give the same text.
judged as {{ materialized() }} (
    select
        typed.*,
        case
            when
                typed.event_at is null
                or cast(typed.event_at as varchar(19)) || ' UTC' != typed.event_time
                then 'event_time: expected a time like 2019-10-01 00:00:00 UTC'
            when
                typed.event_at < timestamp '2000-01-01 00:00:00'
                or typed.event_at > typed.loaded_at + interval '1 day'
                then 'event_time: expected a time between the year 2000 and now'
            when
                typed.event_type is null
                or typed.event_type not in ('view', 'cart', 'remove_from_cart', 'purchase')
                then 'event_type: expected view, cart, remove_from_cart or purchase'
            when
                typed.typed_product_id is null
                or typed.typed_product_id < 1
                or cast(typed.typed_product_id as varchar(32)) != typed.product_id
                then 'product_id: expected a whole number above 0'
            when
                typed.typed_category_id is null
                or typed.typed_category_id < 1
                or cast(typed.typed_category_id as varchar(32)) != typed.category_id
                then 'category_id: expected a whole number above 0'
            when
                length(typed.category_code) > 128
                or typed.category_code like '%"%'
                or {{ has_nul('typed.category_code') }}
                then 'category_code: expected at most 128 characters, no quotation mark, no NUL'
            when
                length(typed.brand) > 128
                or typed.brand like '%"%'
                or {{ has_nul('typed.brand') }}
                then 'brand: expected at most 128 characters, no quotation mark, no NUL'
            when
                typed.typed_price is null
                or typed.typed_price < 0
                or not typed.price ~ '^[0-9]+([.][0-9]{1,2})?$'
                then 'price: expected a number from 0 to 999999999.99 with at most two decimals'
            when
                typed.typed_user_id is null
                or typed.typed_user_id < 1
                or cast(typed.typed_user_id as varchar(32)) != typed.user_id
                then 'user_id: expected a whole number above 0'
            when length(typed.user_session) != 36
                then 'user_session: expected a UUID or nothing'
        end as rejection_reason
    from typed
),

-- A session has several events: each pair is hashed once. A session is one user's: a few ids are
-- shared.
identities as (
    select
        judged.user_id,
        judged.session_id,
        {{ keyed_hash('judged.user_id') }} as user_key,
        {{ keyed_digest("judged.user_id || ' ' || judged.session_id") }} as session_key
    from judged
    where judged.rejection_reason is null
    group by judged.user_id, judged.session_id
),

stg_events as (
    select
        identities.user_key,
        identities.session_key,
        judged.typed_product_id as product_id,
        judged.typed_category_id as category_id,
        judged.event_type,
        coalesce(
            category_corrections.corrected_category_code, judged.category_code
        ) as category_code,
        judged.brand,
        judged.typed_price as price,
        judged.user_session is not null as has_session,
        category_corrections.corrected_category_code is not null as is_category_corrected,
        judged.event_at,
        judged.source_file,
        judged.loaded_at,
        judged.rejection_reason,
        judged.row_number,
        coalesce(judged.event_time, '') || ',' || coalesce(judged.event_type, '')
        || ',' || coalesce(judged.product_id, '') || ',' || coalesce(judged.category_id, '')
        || ',' || coalesce(judged.category_code, '') || ',' || coalesce(judged.brand, '')
        || ',' || coalesce(judged.price, '') || ',' || coalesce(judged.user_id, '')
        || ',' || coalesce(judged.user_session, '') as line
    from judged
    left join identities
        on
            judged.user_id = identities.user_id
            and judged.session_id = identities.session_id
    left join category_corrections
        on
            judged.category_code = category_corrections.category_code
            and judged.brand = category_corrections.brand
            and judged.event_at >= category_corrections.valid_from_on
)

select * from stg_events
