"""The command `fastbp`."""
