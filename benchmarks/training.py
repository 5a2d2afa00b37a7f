"""Time and memory of a training with all its evidence, against a plain loop over k.

    .venv/bin/python benchmarks/training.py --users 100000 1000000 5000000

For each number of customers, two months of sample events are built, then a new version is trained
alone: choice of k, fit, comparison, stability, threshold, calibration, rules, value, health. The
reference is what one would write in a notebook on the same sample: scale, project, KMeans for each
k, silhouette. Prints Markdown; each is measured once.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import duckdb
from bench import BIN, BUILD, DBT, MEMORY_LIMIT, VARS, Bench, run, say

MONTHS = 2
# of the models, not of the marts that are made of them
TRAIN = [
    *("run", "--target", "duckdb", "--select", "path:python_models", "path:models/segmentation"),
    *("int_partial_histories", "--vars", "{retrain: always}"),
]
SLOWEST = 6
REFERENCE = """
import sys
import duckdb
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
warehouse, *features = sys.argv[1:]
with duckdb.connect(warehouse, read_only=True) as connection:
    sample = connection.table("segmentation.segmentation_sample").select(*features).df()
data = make_pipeline(StandardScaler(), PCA(0.9)).fit_transform(sample)
for k in range(2, 13):
    labels = KMeans(k, n_init=10, random_state=0).fit_predict(data)
    silhouette_score(data, labels, sample_size=10_000, random_state=0)
"""


def measure(users: int, scratch: Path) -> None:
    """Build a warehouse of so many customers, train it anew and print the figures."""
    bench = Bench([], {}, lambda: None, scratch)
    events = scratch / "events"
    command = [str(BIN / "amazing-segments"), "sample-events", "--out", str(events)]
    command += ["--users", str(users), "--start", "2019-10-01", "--months", str(MONTHS)]
    run(command, scratch / "sample.log")
    environment = bench.environment()
    plain = [word for word in BUILD if word not in VARS]
    built = run([DBT, *plain], scratch / "build.log", environment)
    trained = run([DBT, *TRAIN], scratch / "train.log", environment)
    results = json.loads((bench.target / "run_results.json").read_text())["results"]
    with duckdb.connect(str(bench.warehouse), read_only=True) as connection:
        ((eligible, sampled, features, version),) = connection.execute(
            """
            select
                (select count(*) from intermediate.int_users
                 where not is_robot and event_count >= 8),
                (select count(*) from segmentation.segmentation_sample),
                (select string_agg(feature, ' ') from marts.feature_catalogue where is_in_model),
                (select max(model_version) from segmentation.segmentation_parameters)
            """
        ).fetchall()
    if version != 2:
        raise SystemExit(f"version {version} was trained; expected 2")
    script = [sys.executable, "-c", REFERENCE, str(bench.warehouse), *features.split()]
    reference = run(script, scratch / "reference.log")
    say(
        f"| {users:,} | {eligible:,} | {sampled:,} | {built['seconds']:.0f} | "
        f"{trained['seconds']:.0f} | {trained['cpu_seconds']:.0f} | "
        f"{trained['peak_bytes'] / 2**30:.1f} | {reference['seconds']:.0f} | "
        f"{trained['seconds'] / reference['seconds']:.1f} |"
    )
    slowest = sorted(results, key=lambda result: -result["execution_time"])[:SLOWEST]
    nodes = (f"{r['unique_id'].rsplit('.', 1)[1]} {r['execution_time']:.0f} s" for r in slowest)
    say(f"<!-- slowest: {', '.join(nodes)} -->")


def main() -> None:
    """Measure each number of customers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[100_000, 1_000_000, 5_000_000])
    say(f"DuckDB held to {MEMORY_LIMIT}.\n")
    say(
        "| customers | eligible | sampled | build s | training s | CPU s | peak GiB | "
        "plain loop s | times |\n|" + "---:|" * 9
    )
    for users in parser.parse_args().users:
        scratch = Path(tempfile.mkdtemp())
        try:
            measure(users, scratch)
        finally:
            shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
