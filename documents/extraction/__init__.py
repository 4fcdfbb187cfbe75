"""From a document's tables to one canonical table: find, map, transform, validate, write.

Pure: nothing in this package asks the database, the clock or the network.
"""
