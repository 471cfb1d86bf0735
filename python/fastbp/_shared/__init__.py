"""Helpers of all packages: argument checks, nearest names, pickling, change stamp, terminals, hash, configuration."""
