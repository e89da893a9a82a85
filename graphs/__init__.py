"""The flows: one file a graph. Copy one, change it, and name it in a config's `graph:`."""
