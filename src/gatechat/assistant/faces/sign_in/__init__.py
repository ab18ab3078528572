"""Where a person says who they are, and what a program may do in their name."""
