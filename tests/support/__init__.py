# SPDX-License-Identifier: BSD-3-Clause
"""What the process tests, the benchmarks and the scripts share: servers, workers, clients."""
