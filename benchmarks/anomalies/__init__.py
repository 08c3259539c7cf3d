"""The parts of `detection.py`: a module for each sub-benchmark, and what they share.

records.py       measurements, written as they are made
methods.py       the detector, the untrained network, PCA
images.py        sets of images: pairs, transformed images, folders
one_class.py     one class of MNIST or Fashion-MNIST is normal
pairs.py         one dataset is normal, others are anomalous
regret.py        what likelihood regret costs and gains
pyod_methods.py  PyOD's methods
tables.py        tables with labeled anomalies
"""
