"""MCP servers as third parties: their tools are actions. Calls go through the same guarded web client as all others.

wire.py: messages and headers · conversation.py: versions, sessions, resumption · tool_call.py: one tool's call ·
discovery.py: how a server says that it wants OAuth. The importer is connectors/importers/mcp.py.
"""
