"""What can be done to a gateway, as one table that every face renders.

An operation is one call of the Admin API. Its words are written for a model that must choose among
operations and fill in their arguments: GPT Actions cut operation texts at 300 characters and parameter texts
at 700.
"""

from __future__ import annotations

from gatechat.assistant.operations.operation import Body, Operation, Parameter, Risk
from gatechat.assistant.operations.table import OPERATIONS

__all__ = ["OPERATIONS", "Body", "Operation", "Parameter", "Risk"]
