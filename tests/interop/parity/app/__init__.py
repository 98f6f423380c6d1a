# SPDX-License-Identifier: BSD-3-Clause
"""The app that both workers run; `-A interop.parity.app` finds it in celery.py."""
