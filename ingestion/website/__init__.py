"""Websites: pages found by links and sitemaps, fetched politely, read as headings and text."""
