"""HTTP requests to one OpenAI-compatible endpoint, and the stream that comes back."""
