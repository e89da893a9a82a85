"""The vLLM servers of a config: commands, supervision, health checks, error diagnosis."""
