"""Measured information of a table's columns: as rows, as a printed table, in a notebook, as a picture."""
