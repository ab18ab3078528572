"""Where people look at plans and say yes or no. No model gets in: see doors."""
