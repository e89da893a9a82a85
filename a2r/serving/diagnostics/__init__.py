"""`a2r check`: probe the endpoints of a config."""
