# SPDX-License-Identifier: BSD-3-Clause
"""How the tables came to be."""
