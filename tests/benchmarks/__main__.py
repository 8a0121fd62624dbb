"""``make bench``: all benchmarks, one after the other."""

from __future__ import annotations

from tests.benchmarks import (
    bench_catalog,
    bench_client,
    bench_content,
    bench_conversation,
    bench_kernel,
    bench_ledger,
    bench_live,
    bench_quick,
    bench_tools,
)


def main() -> None:
    """Prints the figures of each."""
    all_of_them = (
        bench_quick,
        bench_client,
        bench_catalog,
        bench_live,
        bench_kernel,
        bench_ledger,
        bench_conversation,
        bench_content,
        bench_tools,
    )
    for benchmark in all_of_them:
        print(f"\n{(benchmark.__doc__ or '').strip().splitlines()[0]}")
        benchmark.main()


if __name__ == "__main__":
    main()
