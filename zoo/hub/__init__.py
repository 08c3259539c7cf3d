"""The Hugging Face Hub: fetching models from it and pushing models to it, with verification.

The official client makes all transfers and is the only writer of its cache. This package adds: the
content of each file is checked against the Hub's record, transient failures are retried, and every
failure is a `ZooError` that says what to do.

    find.py       a source -> its folder, fetched if it is on the Hub
    fetch.py      a repo -> a folder of the cache with the wanted files
    listing.py    the files of a repo at one commit
    obtain.py     one file of a repo, fetched and checked
    pull.py       a source -> a copy of its folder
    target.py     the target of a push
    prepare.py    a model -> the files to push
    changes.py    those files and a repo -> the changes to commit
    push.py       those changes -> one commit
    client.py     requests to the Hub: a repo's files, a file, a new repo, a commit
    failures.py   the client's exceptions -> the zoo's errors; retries
"""
