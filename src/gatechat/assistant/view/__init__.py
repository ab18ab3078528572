"""The configuration as it is read through the Admin API, and the questions that can be asked of it. Never
writes."""
