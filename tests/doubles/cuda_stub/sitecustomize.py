"""Emulates, on a machine without a GPU, what a CUDA build of torch does around a fork.

Put this folder first on PYTHONPATH. Importing bitsandbytes then asks for the device count, as with
a CUDA build, and every process forked afterwards is one whose CUDA is unusable, as torch documents
("poison fork"). Each asking for the count, and each finding that this process was forked badly, is
a line of the file that CUDA_STUB_LOG names: `<word> <pid> <parent's pid>`. With CUDA_STUB_DRIVER=1
the device of a driver seems to be there.
"""

import importlib.abc
import os
import sys

STATE = {"has_counted": False, "is_bad": False}


def note(word):
    with open(os.environ["CUDA_STUB_LOG"], "a") as log:
        log.write(f"{word} {os.getpid()} {os.getppid()}\n")


def is_in_bad_fork():
    if STATE["is_bad"]:
        note("bad")
    return STATE["is_bad"]


def count_devices():
    if not STATE["has_counted"]:
        os.register_at_fork(after_in_child=lambda: STATE.__setitem__("is_bad", True))
    STATE["has_counted"] = True
    note("counted")
    return 0


class _WhenImported(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        torch = sys.modules.get("torch")
        if name == "bitsandbytes" and hasattr(torch, "cuda"):
            sys.meta_path.remove(self)
            torch.cuda._is_in_bad_fork = is_in_bad_fork
            count_devices()
        return None


sys.meta_path.insert(0, _WhenImported())

if os.environ.get("CUDA_STUB_DRIVER") == "1":
    _exists = os.path.exists
    os.path.exists = lambda path: path == "/dev/nvidiactl" or _exists(path)
