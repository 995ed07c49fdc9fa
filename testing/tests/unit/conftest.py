"""Makes `toys`, the plugins these tests call, and the modules beside it importable."""

import sys
from pathlib import Path


sys.path.insert(0, str(Path(__file__).parent))
