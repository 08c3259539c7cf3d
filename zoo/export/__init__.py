"""A model as graphs that run without the zoo: its encoder and decoder, each compared with the model.

parts.py      the two parts, and a `torch.export` program of each
formats.py    programs <-> files: ONNX and `torch.export`
examples.py   the examples of the comparison
write.py      a model -> a folder of such files, compared before they are written
readme.py     the folder's README.md
"""
