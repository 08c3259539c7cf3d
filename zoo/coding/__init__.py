"""Lossless compression of images by a model, in files that decode to the same bytes on every machine.

stack.py   a stack of bits: asymmetric numeral systems, by constriction
codec.py   bits-back coding of images with a model's integer form
file.py    the file: header, chunks, checksums
"""
