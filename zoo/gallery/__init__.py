"""A static site of every model in the registries at hand.

site.py      registries -> a folder: a page for each model and each dataset, and one of all
pages.py     one page of it, from templates/
plane.py     rate against distortion, as SVG
search.js    the search by name, on the page of all models
site.css     what it looks like, beside the style of `zoo bench`'s page
"""
