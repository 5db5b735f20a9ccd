"""Agents: loop, budget, guardrails, tools. Its first file comes with the agents issue."""
