"""An agent in a loop: a model that asks, tools that answer, and rules in between.

Used in chapter 3, *An agent in a loop*.
"""

from aimicro.agent.bench import Bench, Picture, agreement
from aimicro.agent.loop import Log, Model, Step, briefing, exchange, run_agent
from aimicro.agent.scripted import FAULTS, careful, careless, hasty
from aimicro.agent.tool import RefusedError, Tool, inside

__all__ = [
    "FAULTS",
    "Bench",
    "Log",
    "Model",
    "Picture",
    "RefusedError",
    "Step",
    "Tool",
    "agreement",
    "briefing",
    "careful",
    "careless",
    "exchange",
    "hasty",
    "inside",
    "run_agent",
]
