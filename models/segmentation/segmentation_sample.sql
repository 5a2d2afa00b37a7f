{{ config(materialized='view') }}

with

users as (
    select * from {{ ref('user_features') }}
),

-- Keys are keyed hashes: the lowest 200,000 are a random sample, and the same one each time.
segmentation_sample as (
    select
        {% for feature in catalogued_features() %}
            users.{{ feature.name }},
        {% endfor %}
        users.user_key,
        users.session_count,
        users.first_event_at,
        users.last_event_at,
        users.as_of
    from users
    where not users.is_robot and users.event_count >= {{ training_min_events() }}
    order by users.user_key
    limit 200000
)

select * from segmentation_sample
