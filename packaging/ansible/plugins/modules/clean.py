#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: clean
short_description: Ends what migimg.migimg.export has begun on a host, and removes what it left
description:
  - An export that still goes on is ended. What is mounted below I(work_dir) is unmounted, with its readers ended,
    and the folder is removed. Ending a mount thaws what it froze.
  - What Ansible unpacked for an export that was killed is removed from the folder for temporary files, too.
attributes:
  check_mode:
    support: full
options:
  work_dir:
    description: Where exports mount.
    type: path
    default: /run/migimg-fleet
  program:
    description: migimg. A host without it can be cleaned, too.
    type: path
    default: migimg
  thaw:
    description:
      - Filesystems to thaw by C(migimg thaw), whoever froze them, by mount point or device.
      - For emergencies. A backup that relies on its freeze is spoilt by it.
    type: list
    elements: str
    default: []
author:
  - The migimg authors
"""

EXAMPLES = r"""
- name: Leave nothing on the host
  migimg.migimg.clean:
"""

RETURN = r"""
ended:
  description: What there was; in check mode, what there is.
  type: list
  returned: success
"""

import glob
import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.migimg.migimg.plugins.module_utils.host import Failure, Lock, mounts_below, remove, run, stop


def payloads():
    return sorted(glob.glob(os.path.join(tempfile.gettempdir(), "ansible_migimg.migimg.export_payload_*")))


def clean(p, check_mode):
    work = os.path.normpath(p["work_dir"])
    holder = Lock(work, 0).holder()
    if check_mode:
        there = ["process %d" % holder] if holder else []
        if os.path.lexists(work) or mounts_below(work):
            there.append(work)
        return there + payloads()
    ended = []
    if holder:
        stop([holder], 60)  # it undoes what it has begun
        ended.append("ended process %d" % holder)
    ended += remove(work, p["program"])
    for path in payloads():  # nobody uses them any more
        ended += remove(path, p["program"])
    if p["thaw"]:
        out = run([p["program"], "thaw"] + p["thaw"])[1].decode("utf-8", "replace")
        ended += [line for line in out.splitlines() if line.endswith(": thawed")]
    return ended


def main():
    module = AnsibleModule(
        argument_spec={
            "work_dir": {"type": "path", "default": "/run/migimg-fleet"},
            "program": {"type": "path", "default": "migimg"},
            "thaw": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        ended = clean(module.params, module.check_mode)
    except Failure as e:
        module.fail_json(msg=str(e))
    module.exit_json(changed=bool(ended), ended=ended)


if __name__ == "__main__":
    main()
