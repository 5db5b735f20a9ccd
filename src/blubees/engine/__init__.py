"""Runs: launch, runner, receipt."""
