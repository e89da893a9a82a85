"""Private helpers that are independent of questions, models and answers."""
