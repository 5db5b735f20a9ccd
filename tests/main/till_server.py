"""An MCP server that speaks stdio, made with the protocol's own SDK: what tests/main/test_stdio_bridge.py serves."""

import os
import subprocess
import sys
import time

from mcp.server.mcpserver import MCPServer

server = MCPServer("Till", instructions="It counts.", version="2")
taken: list[int] = []


@server.tool()
def add(amount: int) -> dict[str, int]:
    """Add to the till."""
    taken.append(amount)
    return {"total": sum(taken)}


@server.tool(structured_output=False)
def refuse() -> str:
    raise ValueError("canary: a reason that stays here")


@server.tool(structured_output=False)
def tell_environment() -> str:
    return ",".join(sorted(os.environ))


@server.tool(structured_output=False)
def have_a_child() -> str:
    """Start a process that outlives its parent, and ignores that its input is closed."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdin=subprocess.DEVNULL)
    return f"{os.getpid()},{child.pid}"


@server.tool(structured_output=False)
def die() -> str:
    time.sleep(0.2)
    os._exit(7)


if __name__ == "__main__":
    sys.stderr.write("till: open\n")
    server.run("stdio")
