"""Translates expressions to graphs and data to arrays, and stores parameters in a backend; also holds `function`."""
