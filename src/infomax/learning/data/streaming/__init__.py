"""Shards, archives and tables, that are read again in every epoch: nothing is decoded beforehand."""
