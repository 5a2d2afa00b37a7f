{{ config(materialized='view') }}

with

users as (
    select
        int_users.*,
        int_as_of.as_of
    from {{ ref('int_users') }} as int_users
    cross join {{ ref('int_as_of') }} as int_as_of
),

recent_users as (
    select * from {{ ref('int_recent_users') }}
),

category_prices as (
    select * from {{ ref('int_category_prices') }}
),

{{ featured_users() }},

user_features as (
    select * from featured_users
)

select * from user_features
