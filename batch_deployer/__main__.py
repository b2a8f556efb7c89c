"""`python -m batch_deployer` is `batch-deployer`."""

import sys

from batch_deployer.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
