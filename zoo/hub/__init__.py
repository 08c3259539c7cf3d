"""The Hugging Face Hub: models fetched from it and pushed to it, checked on the way.

The official client moves every byte and alone writes its cache. This package adds what it leaves
open: the content of each file is compared with the Hub's own record, passing failures are tried
again, and whatever goes wrong is a `ZooError` that says what to do.

    find.py       a source -> its folder, fetched if it is on the Hub
    fetch.py      a repo -> a folder of the cache with the files that are wanted
    listing.py    a repo at one commit: what is in it, and what is wanted of it
    obtain.py     one file of it, obtained and checked
    pull.py       a source -> a copy of its folder
    target.py     where a push goes
    prepare.py    a model -> the files that a push sends
    changes.py    those files and a repo -> what a commit must do
    push.py       those changes -> one commit
    client.py     what the Hub is asked: a repo's files, a file, a new repo, a commit
    failures.py   the client's exceptions -> the zoo's errors; trying again
"""
