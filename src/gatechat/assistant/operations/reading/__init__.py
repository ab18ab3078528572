"""The tools that read: one file each, with its function, its ``INPUT`` and its ``OUTPUT``."""
