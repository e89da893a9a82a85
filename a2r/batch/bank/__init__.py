"""The bank: the files that hold the records of a batch."""
