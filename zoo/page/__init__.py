"""A model as one folder of static files that runs it in the browser.

contents.py   a model and test images -> what the page's script is given
prior.py      the prior as a graph: noise -> codes
write.py      all of it -> a folder: index.html, model.js, runtime.js
read.py       a folder -> what its page holds, none of it trusted
space.py      a page -> a static Space on the Hub
verify.py     whether a page is what the zoo writes of its model
serve.py      the folder on the loopback address
static/       the page: HTML, CSS and ES modules, which are put into index.html
runtime/      onnxruntime-web 1.30.0, from its npm package: the module, and its WebAssembly, packed; LOCK.toml has their hashes
"""
