package checks

import "slices"

// scsiHosts are drivers of SCSI and SATA adapters, whose disks are sd_mod's: the
// adapter alone shows no disk.
var scsiHosts = []string{"virtio_scsi", "hv_storvsc", "vmw_pvscsi", "mptspi", "mptsas", "mpt2sas", "mpt3sas", "megaraid_sas", "ahci", "ata_piix", "sym53c8xx", "lsi"}

// withDisks adds sd_mod to the groups that need it.
func withDisks(groups [][]string) (out [][]string) {
	for _, g := range groups {
		if !slices.Contains(g, "sd_mod") && slices.ContainsFunc(g, func(m string) bool { return slices.Contains(scsiHosts, m) }) {
			g = append(slices.Clone(g), "sd_mod")
		}
		out = append(out, g)
	}
	return out
}
