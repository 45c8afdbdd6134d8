"""Nothing of this rung needs Torch."""

import subprocess
import sys


def test_nothing_imports_torch():
    code = (
        "import sys, infomax.principle as p; [getattr(p, name) for name in p.__all__]; "
        "assert p.EXPERIMENTS['two-terms'](0).holds; "
        "heavy = {'torch', 'lightning', 'datasets', 'kornia'} & sys.modules.keys(); "
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
