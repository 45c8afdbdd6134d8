"""How tables come in: files of any kind, tables of any library, text that holds numbers or times."""
