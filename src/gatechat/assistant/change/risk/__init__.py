"""What can go wrong with a plan. Each rule is a file with a function ``rule(case)``."""

from gatechat.assistant.change.risk.case import Case
from gatechat.assistant.change.risk.rules import RULES, assess

__all__ = ["RULES", "Case", "assess"]
