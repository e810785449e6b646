"""Flotilla's verbs as tools for an AI agent: over the Model Context Protocol, or as plain functions with JSON Schemas.

    from flotilla.agent import Toolbox, Workplace

    toolbox = Toolbox(Workplace(project=Path("."), stack="dev"))
    toolbox.schemas()                      # for any framework that uses functions with JSON Schemas
    toolbox.call("list_clusters", {})      # a dict, or a FlotillaError in one line

`flotilla.agent.server` serves the same toolbox over MCP.
"""

from flotilla.agent.toolbox import Toolbox
from flotilla.agent.workplace import Workplace

__all__ = ["Toolbox", "Workplace"]
