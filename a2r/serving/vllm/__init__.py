"""The vLLM servers that a config describes: their commands, their life, and whether they fit."""
