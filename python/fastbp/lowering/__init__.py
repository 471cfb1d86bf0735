"""From what users write to what a backend runs: expressions to graphs, data to arrays, parameters to their store."""
