"""Turns rules of Jira Automation (exported JSON) into flows. The way in: translate.py; called by main/rule_import.py."""
