"""The viewer as a Space: one artifact, named by the variable GENDATA_ARTIFACT."""

import os

from gendata.artifact.layout import EVALUATIONS
from gendata.fetch import open_named
from gendata.viewer import build, launch_options, real_images

name = os.environ.get("GENDATA_ARTIFACT", "digits")
artifact = open_named(name, also=[EVALUATIONS])
demo = build(artifact, real=real_images(artifact))

if __name__ == "__main__":
    demo.launch(server_name="0.0.0.0", **launch_options())
