-- Protects the reading of a single user: the segment is at least as near as the runner-up, which is
-- another one, and confidence goes from 0 to 1. A user without a segment has none of these.
with

user_segments as (
    select * from {{ ref('user_segments') }}
    where {{ sampled('user_key') }}
),

wrong_users as (
    select
        user_segments.user_key,
        user_segments.status,
        user_segments.segment,
        user_segments.runner_up_segment,
        user_segments.margin,
        user_segments.confidence
    from user_segments
    where
        (
            user_segments.segment is not null
            and (
                user_segments.runner_up_segment is null
                or user_segments.margin is null
                or user_segments.confidence is null
                or user_segments.runner_up_segment = user_segments.segment
                or user_segments.margin < 0
                or user_segments.confidence < 0
                or user_segments.confidence > 1
            )
        )
        or (
            user_segments.segment is null
            and (
                user_segments.runner_up_segment is not null
                or user_segments.margin is not null
                or user_segments.confidence is not null
                or user_segments.persona is not null
            )
        )
)

select * from wrong_users
