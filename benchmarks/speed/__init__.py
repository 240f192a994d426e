"""How fast the zoo trains, beside what its users would otherwise run, on one machine at a time.

    python -m benchmarks.speed.throughput
    python -m benchmarks.speed.startup
    python -m benchmarks.speed.scaling

write JSON into `benchmarks/speed/results` and the tables of docs/speed.md. Numbers of different
machines are never put side by side.
"""
