"""Which package a test's processes import."""

import subprocess
import sys

from gammacore import _core


def test_a_process_imports_the_installed_package_whatever_folder_it_is_in(tmp_path):
    (tmp_path / "gammacore").mkdir()
    (tmp_path / "gammacore" / "__init__.py").write_text("raise SystemExit('the folder, not the package')")
    told = "import gammacore._core; print(gammacore._core.__file__)"
    done = subprocess.run([sys.executable, "-c", told], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (_core.__file__, "")
