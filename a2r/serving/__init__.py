"""Model servers (llama.cpp in-process, vLLM) and endpoint checks.

This package is private: use the commands `a2r up`, `a2r check` and `a2r models`.
"""
