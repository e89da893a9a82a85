"""Private helpers that know nothing of questions, models or answers."""
