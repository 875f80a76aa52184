"""What several benchmarks share: the server, processes of their own, the machine in words, reports and figures.

Modules that a peer's environment imports know the standard library alone.
"""
