"""Benchmarks of fastbp: `python -m bench` against its peers, `bench.sweep` over sizes, `bench.overheads` of calls,
`bench.features` of weights, metrics and several outputs."""
