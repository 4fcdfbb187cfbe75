"""Jira: issues, comments and attachments of Cloud, Server and Data Center."""
