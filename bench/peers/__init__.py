"""The other queues that bench/jobs.py measures, each in its own small module."""
