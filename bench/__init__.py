"""Benchmarks of fastbp against its peers: ``python -m bench --quick``. They report; they never assert a time."""
