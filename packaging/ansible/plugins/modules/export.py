#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: export
short_description: Sends a host's disks to an object storage, straight from a migimg mount
description:
  - Mounts the disks with migimg, all of them at one moment, and sends an image of each with rclone, its manifest and
    the machine's C(preflight.json) beside it, verifies what arrived, says last in C(NAME.export.json) that all of it is
    there, and unmounts when all disks are done.
  - Needs migimg, rclone and FUSE on the host, and root. Nothing is staged, and nothing is left.
  - A disk whose export is there already is not sent again.
  - Where an earlier run was killed, what it left on the host and in the storage is removed first. Where one
    still goes on, it is waited for.
attributes:
  check_mode:
    support: partial
    description: It looks into the storage, and mounts nothing. Where that does not tell, it reports a change.
options:
  disks:
    description:
      - The disks, in the order in which they are sent.
      - Those with the same targets and mount options are mounted together, and their images are of one moment. One that
        differs has a mount of its own, after the others', with a T0 of its own.
    type: list
    elements: dict
    required: true
    suboptions:
      device:
        description: The disk.
        type: path
        required: true
      name:
        description: The disk's name in the storage. By default the last part of I(device).
        type: str
      image:
        description: Instead of I(image).
        type: str
      targets:
        description: Instead of I(targets).
        type: list
        elements: str
      mount_options:
        description: After I(mount_options). C(--partitions) and C(--except) go with a disk that is mounted alone.
        type: list
        elements: str
        default: []
  host:
    description: The host's name in the storage.
    type: str
    required: true
  image:
    description:
      - The images' path in a mount of one disk. By default what the only one of I(targets) takes best, else C(disk.qcow2).
    type: str
  targets:
    description: For whom C(preflight.json) judges, and whose folders the mount has.
    type: list
    elements: str
    default: []
  mount_options:
    description: Further options of C(migimg mount).
    type: list
    elements: str
    default: []
  remote:
    description: The folder of all hosts, as rclone spells it. Its bucket has to be there.
    type: str
    required: true
  environment:
    description: rclone's configuration, as environment variables.
    type: dict
    default: {}
  secrets:
    description: The same, for what must not be shown. Neither is ever in an argument or in a file.
    type: dict
    default: {}
  rclone_options:
    description: Further options of rclone, for all that it does.
    type: list
    elements: str
    default: []
  bwlimit:
    description: What is sent at most, for instance C(20M) (bytes a second).
    type: str
  digest:
    description:
      - The image is read once before it is sent, and its SHA-256 goes with it.
      - Only where two reads agree (consistency C(offline) and C(frozen)).
    type: bool
    default: false
  verify:
    description:
      - How what arrived is verified. C(sample) and C(full) read it from the storage by C(migimg verify --manifest).
      - C(checksum) has rclone store an MD5, and compares it; it costs two more reads of the disk, and is C(sample) where no two reads need to agree.
    type: str
    choices: [sample, full, checksum, none]
    default: sample
  sample:
    description: The share of C(sample).
    type: str
    default: 5%
  fresh:
    description:
      - How old, in seconds, an export may be to be good enough although the disk has changed since. It is asked before anything is mounted.
      - Of disks that are mounted together, the exports have to belong together as well.
    type: int
    default: 86400
  compare:
    description: Compare the disk with the manifest of an older export of the same plan. Without, the plan and the size alone say that it is the same.
    type: bool
    default: true
  blocked:
    description: What to do with disks that C(preflight.json) finds blocked for I(targets). It judges what is mounted together as one machine.
    type: str
    choices: [skip, export]
    default: skip
  wait:
    description: How long, in seconds, to wait for an earlier run that still goes on.
    type: int
    default: 86400
  work_dir:
    description: Where it mounts, and keeps what it needs meanwhile.
    type: path
    default: /run/migimg-fleet
  program:
    description: migimg.
    type: path
    default: migimg
  rclone:
    description: rclone.
    type: path
    default: rclone
author:
  - The migimg authors
"""

EXAMPLES = r"""
- name: Send two disks as they were at one moment
  migimg.migimg.export:
    disks:
      - device: /dev/sda
      - device: /dev/sdb
        name: data
    host: "{{ inventory_hostname }}"
    targets: [tencent]
    remote: ":s3:images/wave-1"
    environment:
      RCLONE_S3_PROVIDER: Other
      RCLONE_S3_ENDPOINT: https://s3.example.org
    secrets:
      RCLONE_S3_ACCESS_KEY_ID: "{{ vault_key }}"
      RCLONE_S3_SECRET_ACCESS_KEY: "{{ vault_secret }}"
"""

RETURN = r"""
disks:
  description: What was done with each disk.
  type: list
  elements: dict
  returned: success
  contains:
    device:
      description: The disk.
      type: str
    name:
      description: Its name in the storage.
      type: str
    action:
      description:
        - C(exported) was sent; C(fresh) and C(unchanged) were there already; C(blocked) must not be sent.
        - C(undecided) is check mode's, where only a mount would tell.
      type: str
    changed:
      description: Whether it was sent, or perhaps would be.
      type: bool
    export:
      description:
        - What C(NAME.export.json) says, of the new export or of the one that is there.
        - Its C(machine) names the images that belong together, by disk.
      type: dict
    unfinished:
      description: Images of this disk in the storage without a C(NAME.export.json). They were never verified; remove them.
      type: list
ended:
  description: What an earlier run had left on the host.
  type: list
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.migimg.migimg.plugins.module_utils.host import Failure, end_by_signal
from ansible_collections.migimg.migimg.plugins.module_utils.machine import machines


def main():
    module = AnsibleModule(
        argument_spec={
            "disks": {"type": "list", "elements": "dict", "required": True, "options": {
                "device": {"type": "path", "required": True},
                "name": {"type": "str"},
                "image": {"type": "str"},
                "targets": {"type": "list", "elements": "str"},
                "mount_options": {"type": "list", "elements": "str", "default": []},
            }},
            "host": {"type": "str", "required": True},
            "image": {"type": "str"},
            "targets": {"type": "list", "elements": "str", "default": []},
            "mount_options": {"type": "list", "elements": "str", "default": []},
            "remote": {"type": "str", "required": True},
            "environment": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "rclone_options": {"type": "list", "elements": "str", "default": []},
            "bwlimit": {"type": "str"},
            "digest": {"type": "bool", "default": False},
            "verify": {"type": "str", "choices": ["sample", "full", "checksum", "none"], "default": "sample"},
            "sample": {"type": "str", "default": "5%"},
            "fresh": {"type": "int", "default": 86400},
            "compare": {"type": "bool", "default": True},
            "blocked": {"type": "str", "choices": ["skip", "export"], "default": "skip"},
            "wait": {"type": "int", "default": 86400},
            "work_dir": {"type": "path", "default": "/run/migimg-fleet"},
            "program": {"type": "path", "default": "migimg"},
            "rclone": {"type": "path", "default": "rclone"},
        },
        supports_check_mode=True,
    )
    end_by_signal()
    disks, ended = [], []
    try:
        for m in machines(module.params):
            results, left = m.run(module.check_mode)
            disks += results
            ended += left
    except Failure as e:
        module.fail_json(msg=str(e), disks=disks, ended=ended)
    module.exit_json(changed=any(d["changed"] for d in disks), disks=disks, ended=ended)


if __name__ == "__main__":
    main()
