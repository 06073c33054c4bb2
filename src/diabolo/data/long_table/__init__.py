"""Long tables, with one row for each point in time, cut into windows: series of equal length.

`times` turns the column of the times into numbers, `form` states how windows are cut, `cut` holds the result,
`cutting` makes it, `counting` says how many rows are in windows, and `files` keeps windows with their names.
"""
