"""From an artifact to a repository on the Hub. With `fetch.py`, the only place that knows the Hub.

checks.py    what must not be published, and why
staging.py   the files as they will be
remote.py    the repository as it is
push.py      what changes, in one commit
"""
