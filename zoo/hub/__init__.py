"""The Hugging Face Hub: models fetched from it and pushed to it, checked on the way.

The official client moves every byte. This room adds what it leaves open: the content of each
file is compared with the Hub's own record, every action ends in bounded time, transient failures
are tried again, and whatever goes wrong is a `ZooError` that says what to do.

    find.py       a source -> its folder, fetched if it is on the Hub
    fetch.py      a repo -> a folder of the cache with the files that are wanted
    pull.py       a source -> a copy of its folder
    prepare.py    a model -> the files that a push sends
    push.py       those files -> one commit
    cache.py      what lies in the client's cache, and whether it is sound
    remote.py     what the Hub is asked: a repo's files, a file, a new repo, a commit
    patience.py   an action is bounded in time and tried again where that may help
    failures.py   the client's exceptions -> the zoo's
"""
