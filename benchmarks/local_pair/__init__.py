"""Does the second stage pay on the local pair? Recorded once with the embedded engine, replayed."""
