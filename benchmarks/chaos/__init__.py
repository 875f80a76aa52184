"""Prefetcher and trainer against a faulty server, both killed at random: nothing may be lost, repeated or wrong."""
