"""Worker processes with time and memory limits for computations that may hang."""
