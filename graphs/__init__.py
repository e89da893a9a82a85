"""The graphs: one file each. Copy one, change it, and name it in a config's `graph:`."""
