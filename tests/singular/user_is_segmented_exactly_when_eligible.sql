-- Protects completeness: each user of user_features has one row in user_segments, and a segment if
-- and only if habits can be told and a model exists.
with

current_models as (
    select count(*) as model_count
    from {{ ref('segmentation_models') }} as models
    where models.is_current
),

user_segments as (
    select
        user_segments.user_key,
        count(*) as row_count,
        count(user_segments.segment) as segment_count,
        sum(case when user_segments.status = 'segmented' then 1 else 0 end) as segmented_count
    from {{ ref('user_segments') }} as user_segments
    where {{ sampled('user_segments.user_key') }}
    group by user_segments.user_key
),

expected as (
    select
        users.user_key,
        case
            when
                not users.is_robot
                and users.event_count >= threshold.min_events
                and current_models.model_count = 1
                then 1
            else 0
        end as segment_count
    from {{ ref('user_features') }} as users
    cross join current_models
    cross join {{ ref('segmentation_threshold') }} as threshold
    where {{ sampled('users.user_key') }}
),

wrong_users as (
    select
        coalesce(expected.user_key, user_segments.user_key) as user_key,
        expected.segment_count as expected_segment_count,
        user_segments.row_count,
        user_segments.segment_count,
        user_segments.segmented_count
    from expected
    full outer join user_segments on expected.user_key = user_segments.user_key
    where
        expected.user_key is null
        or user_segments.user_key is null
        or user_segments.row_count != 1
        or user_segments.segment_count != expected.segment_count
        or user_segments.segmented_count != expected.segment_count
)

select * from wrong_users
