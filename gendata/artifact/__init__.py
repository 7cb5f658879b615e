"""The artifact: a folder with a manifest and the weights of a generator. README.md is the format's specification."""
