"""``make bench``: all benchmarks, one after the other."""

from __future__ import annotations

from tests.benchmarks import bench_catalog, bench_client, bench_conversation, bench_kernel, bench_ledger, bench_live


def main() -> None:
    """Prints the figures of each."""
    for benchmark in (bench_client, bench_catalog, bench_live, bench_kernel, bench_ledger, bench_conversation):
        print(f"\n{(benchmark.__doc__ or '').strip().splitlines()[0]}")
        benchmark.main()


if __name__ == "__main__":
    main()
