"""What to extract: configurations, their schema and their versions."""
