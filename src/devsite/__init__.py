"""The development Jira site."""
