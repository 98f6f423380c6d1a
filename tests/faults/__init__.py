# SPDX-License-Identifier: BSD-3-Clause
"""What happens when something dies, hangs or goes away: suite tests, and longer campaigns."""
