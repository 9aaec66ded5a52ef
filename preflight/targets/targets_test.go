package targets_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"migimg/preflight/checks"
	"migimg/preflight/targets"
)

// The files name only what the checks know.
func TestFiles(t *testing.T) {
	all, err := targets.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		for id, o := range p.Severity {
			if checks.Find(id) == nil || checks.Severity(o.Severity).Rank() < 0 {
				t.Errorf("%s: severity of %s: no such check or severity", p.ID, id)
			}
		}
		for id := range p.Errors {
			if checks.Find(id) == nil {
				t.Errorf("%s: error code for %s: no such check", p.ID, id)
			}
		}
	}
}

// Ids are stable: these are in use.
func TestPresent(t *testing.T) {
	for _, id := range []string{"tencent", "alibaba", "huawei", "baidu", "aws-import-image", "aws-import-snapshot", "azure-gen1", "azure-gen2",
		"gcp-images-create", "gcp-image-imports", "oci", "ibm", "digitalocean", "linode", "openstack", "kvm", "proxmox", "vsphere", "hyperv", "xcp-ng", "virtualbox", "workstation"} {
		if _, err := targets.Load(id); err != nil {
			t.Error(err)
		}
	}
}

func TestLoad(t *testing.T) {
	got, err := targets.Load("tencent", "kvm", "tencent")
	if err != nil || len(got) != 2 || got[0].ID != "tencent" {
		t.Errorf("%v, %v", got, err)
	}
	got, err = targets.Load("azure-gen2", "azure", "vmware")
	if err != nil || len(got) != 4 || got[0].ID != "azure-gen2" || got[1].ID != "azure-gen1" || got[2].ID != "vsphere" || got[3].ID != "workstation" {
		t.Errorf("%v, %v", got, err)
	}
	_, err = targets.Load("kvm", "tencnet")
	if !errors.Is(err, targets.ErrUnknown) || !strings.Contains(err.Error(), "tencent") || !strings.Contains(err.Error(), "aws (all of it)") {
		t.Errorf("%v", err)
	}
	ids, err := targets.IDs()
	if err != nil || !slices.IsSorted(ids) || !slices.Contains(ids, "kvm") {
		t.Errorf("%v, %v", ids, err)
	}
}
