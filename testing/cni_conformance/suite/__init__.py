"""The cases, one file for each section of the specification or family of lessons."""
