with

users as (
    select
        features.*,
        user_segments.segment,
        user_segments.model_version
    from {{ ref('user_features') }} as features
    inner join {{ ref('user_segments') }} as user_segments
        on features.user_key = user_segments.user_key
    where user_segments.status = 'segmented'
),

-- one branch a feature: Redshift allows one ordering a select for medians
measured as (
    {% for feature in catalogued_features() %}
        select
            users.segment,
            max(users.model_version) as model_version,
            '{{ feature.name }}' as feature,
            count(*) as user_count,
            avg(cast(users.{{ feature.name }} as double precision)) as mean,
            median(cast(users.{{ feature.name }} as double precision)) as median,
            var_pop(cast(users.{{ feature.name }} as double precision)) as variance
        from users
        where users.{{ feature.name }} is not null
        group by users.segment
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

population_means as (
    select
        measured.feature,
        sum(measured.user_count) as user_count,
        sum(measured.user_count * measured.mean) / sum(measured.user_count) as mean
    from measured
    group by measured.feature
),

-- the population's variance is that within the segments and that between them
population as (
    select
        measured.feature,
        max(population_means.mean) as mean,
        sqrt(
            sum(
                measured.user_count * (
                    measured.variance
                    + (measured.mean - population_means.mean)
                    * (measured.mean - population_means.mean)
                )
            ) / max(population_means.user_count)
        ) as standard_deviation
    from measured
    inner join population_means on measured.feature = population_means.feature
    group by measured.feature
),

segment_profiles as (
    select
        measured.segment,
        measured.feature,
        cast(measured.model_version as integer) as model_version,
        measured.user_count,
        measured.mean,
        measured.median,
        population.mean as population_mean,
        population.standard_deviation as population_standard_deviation,
        (measured.mean - population.mean) / nullif(population.standard_deviation, 0) as deviation,
        measured.mean / nullif(population.mean, 0) as lift
    from measured
    inner join population on measured.feature = population.feature
)

select * from segment_profiles
