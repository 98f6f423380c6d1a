# SPDX-License-Identifier: BSD-3-Clause
"""celeriac's runtime for Celery apps: the forkserver that imports an app and the children that run
its tasks. celeriac starts it; PROTOCOL.md says what they say to each other."""
