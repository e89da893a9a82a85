"""HTTP requests to one OpenAI-compatible endpoint, and their streamed responses."""
