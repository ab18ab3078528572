"""The tools that change something, and those that look at changes."""
