"""Run model servers (llama.cpp, vLLM) and check endpoints. Private: use the `a2r` command."""
