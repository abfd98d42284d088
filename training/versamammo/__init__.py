"""VersaMammo training: a self-supervised teacher, a student that learns from it and from labels, heads, export."""

__version__ = "0.1.0"
