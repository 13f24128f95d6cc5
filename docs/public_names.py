"""An extension of Griffe: the reference names what users import, wherever the module is that defines it.

`mlt_s_tools.training.ArchiveDataset` comes from a module of `mlt_s_tools.training`, which imports it only when it is
asked for, so that PyTorch need not be there. Nothing is imported here either: files are read. So each package gets, as
aliases, the classes and functions of the modules in it, unless two modules share the name.
"""

from collections import Counter

import griffe


class PublicNames(griffe.Extension):
    def on_package(self, *, pkg, **kwargs):
        _offer(pkg)


def _offer(package):
    """Gives a package, and the packages in it, aliases of what their modules define."""
    if not package.is_init_module:
        return
    for module in package.modules.values():
        _offer(module)
    defined = list(_defined(package))
    count = Counter(found.name for found in defined)
    for found in defined:
        if count[found.name] == 1 and found.name not in package.members:
            package.set_member(found.name, griffe.Alias(found.name, found, parent=package))


def _defined(package):
    for module in package.modules.values():
        for member in module.members.values():
            if not member.is_alias and (member.is_class or member.is_function) and member.is_public:
                yield member
        if module.is_init_module:
            yield from _defined(module)
