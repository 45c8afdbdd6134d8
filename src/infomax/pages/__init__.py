"""The parts that all pages and figures share: styles, the environment of templates, and colours.

A page is one HTML file that needs nothing else: no network, no files beside it.
"""
