"""Long tables, with one row for each point in time, cut into windows: series of equal length.

`times` turns the column of the times into numbers, `form` states how windows are cut, `cut` holds the result.
`cutting` makes it: `table` reads the frame, `moments` sorts each series and divides it at its gaps, `counting` says how
many rows are in windows, and `left_out` what to do about the others. `files` keeps windows with their names.
"""
