"""Documents of the store as a source."""
