"""One module a kind of job; each registers itself when it is imported."""
