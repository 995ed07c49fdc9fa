"""Reports of a run: on the terminal, and as files in JSON, JUnit's XML and HTML."""
