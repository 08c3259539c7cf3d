"""A model as graphs that need no zoo: its encoder and its decoder, each held against the model.

parts.py      the two parts, and a `torch.export` program of each
formats.py    programs <-> files: ONNX, and `torch.export`'s own
examples.py   what they are compared on
write.py      a model -> a folder of such files, compared before they are written
readme.py     what the folder says of itself
"""
