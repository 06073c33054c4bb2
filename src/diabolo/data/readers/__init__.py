"""One file for each format: it reads a path as an array or a table; errors name the file and the place."""
