"""One file a format: each opens a path and gives an array, or one line that says what is wrong and where."""
