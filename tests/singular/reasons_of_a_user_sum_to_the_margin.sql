-- A reason is exact: the contributions of all features make up the margin over the runner-up. And
-- every user with a segment has reasons.
with

segmented as (
    select * from {{ ref('user_segments') }}
    where status = 'segmented' and {{ sampled('user_key') }}
),

reasons as (
    select * from {{ ref('user_segment_reasons') }}
    where {{ sampled('user_key') }}
)

select
    segmented.user_key,
    segmented.margin,
    reasons.margin as explained_margin
from segmented
left join reasons on segmented.user_key = reasons.user_key
where
    reasons.user_key is null
    or reasons.segment != segmented.segment
    or abs(
        {% for feature in model_features() %}
            reasons.contribution_{{ feature.name }} {{ '+' if not loop.last }}
        {% endfor %}
        - segmented.margin
    ) > 1e-9
