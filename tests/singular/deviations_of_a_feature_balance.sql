-- Protects the profiles: what some segments have above the mean of all segmented users, the others
-- have below it.
with

profiles as (
    select * from {{ ref('segment_profiles') }}
),

unbalanced as (
    select
        profiles.feature,
        sum(profiles.user_count * profiles.deviation) / sum(profiles.user_count) as mean_deviation
    from profiles
    where profiles.deviation is not null
    group by profiles.feature
    having abs(sum(profiles.user_count * profiles.deviation)) > 1e-6 * sum(profiles.user_count)
)

select * from unbalanced
