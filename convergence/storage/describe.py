"""Write derivatives/README.md, the list of every table and column, from the schemas.

    python -m convergence describe-derivatives --out derivatives/README.md
"""

from pathlib import Path

from convergence.cli import command, options
from convergence.storage.outputs import replacing
from convergence.storage.tables import readme


@command
def main(arguments=None):
    parser = options(__doc__)
    parser.add_argument("--out", default="derivatives/README.md", metavar="FILE", help="default: derivatives/README.md")
    out = Path(parser.parse_args(arguments).out)
    with replacing(out) as temporary:
        temporary.write_text(readme())
    print(out)
