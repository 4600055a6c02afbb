"""Where trials are run: threads of this process, or the nodes of a Ray cluster; answers are filed the same way."""
