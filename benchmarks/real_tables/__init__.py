"""How Diabolo reads real tables: `python -m benchmarks.real_tables`."""
