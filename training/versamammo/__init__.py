"""VersaMammo training: a self-supervised teacher, a student that learns from labels and teacher, heads, answers, export."""

__version__ = "0.1.0"
