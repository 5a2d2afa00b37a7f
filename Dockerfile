# The dbt project ready to run: `docker run <image>` is `dbt build`, other words go to dbt.
#
#   docker run --rm -e AMAZING_PSEUDONYM_KEY -v "$PWD/data:/app/data" amazing-segments
#
# /app/data           a volume, writable by user 10001:
#   events/           the event files, or any place that AMAZING_EVENTS names
#   amazing.duckdb    the warehouse, or the place that AMAZING_WAREHOUSE names
# /app/target         dbt's artifacts: mount it too where the documentation is wanted
# AMAZING_PSEUDONYM_KEY and the warehouse's password come from the environment of the run, and are
# no part of the image.
FROM python:3.11-slim-bookworm

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1

WORKDIR /app

# apart from the project, so that a change of a model does not install everything again
COPY requirements.lock .
RUN pip install --require-hashes -r requirements.lock

COPY . .
RUN pip install --no-deps --no-build-isolation . \
    && rm -rf build src \
    && cp profiles.yml.example profiles.yml \
    && useradd --uid 10001 --no-create-home amazing \
    && install --directory --owner=amazing data data/events logs target

USER amazing
ENV DBT_PROFILES_DIR=/app
VOLUME /app/data

ENTRYPOINT ["dbt"]
CMD ["build"]
