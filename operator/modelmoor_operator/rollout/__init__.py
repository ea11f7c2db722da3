"""What comes next: which revision a ModelDeployment should run, and which old ones may go. Pure: facts in, plan out."""

from modelmoor_operator.rollout.plan import Plan, plan

__all__ = ["Plan", "plan"]
