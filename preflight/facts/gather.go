package facts

import (
	"context"

	"migimg/preflight/guestfs"
)

// Gather collects the facts of a disk. It reads some metadata and a few hundred
// small files, and writes nothing. The error is that of the context:
// whatever else fails is an absent fact.
func Gather(ctx context.Context, s Source, o Options) (*Facts, error) {
	f := &Facts{Template: o.Template, Now: o.now()}
	g := &gatherer{f: f, src: &s, o: o}
	f.Disk = gatherDisk(&s)
	f.Boot.Default = -1
	tree, err := g.open(ctx)
	if err != nil {
		return nil, err
	}
	if tree == nil {
		g.firmware()
		g.inside()
		return f, nil
	}
	g.fs = tree
	if f.Guest.Live {
		g.fs = o.Watch.over(tree, g.livePath(f.Guest.RootPath), f.Guest.Mounted)
	}
	defer func() { _ = tree.Close() }() // read only
	return f, g.all(ctx)
}

// GatherFS is Gather over a guest's tree that is already open.
func GatherFS(ctx context.Context, s Source, o Options, guest Guest, tree guestfs.FS) (*Facts, error) {
	f := &Facts{Guest: guest, Template: o.Template, Now: o.now()}
	g := &gatherer{f: f, src: &s, o: o, fs: tree}
	f.Disk = gatherDisk(&s)
	f.Boot.Default = -1
	return f, g.all(ctx)
}

// all runs the gatherers, in the order of what they need of each other.
func (g *gatherer) all(ctx context.Context) error {
	g.firmware()
	g.osRelease()
	g.services()
	g.fstab()
	g.otherMounts()
	for _, step := range []func(context.Context) error{
		g.packages, g.loader, g.boot, g.drivers, g.kernels,
		steps(g.modprobe, g.grubFiles, g.prober),
		steps(g.cloudInit, g.net, g.accounts, g.agents, g.names),
		steps(g.traces, g.state),
		steps(g.netRefs, g.firewall),
		steps(g.directory, g.ssh, g.pam, g.logins),
		steps(g.lvm, g.raid, g.crypttab, g.mounts, g.swap, g.inside),
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// steps runs quick gatherers, which need no context, one after the other.
func steps(list ...func()) func(context.Context) error {
	return func(context.Context) error {
		for _, f := range list {
			f()
		}
		return nil
	}
}

// inside looks into the volumes, with a guest or without.
func (g *gatherer) inside() { g.luks(); g.space(); g.load(); g.machine() }

// guestKeys are the facts that only an operating system has.
var guestKeys = []Key{
	KeyGuest, KeyOS, KeyBoot, KeyDrivers, KeyFstab, KeyNet, KeyAccounts, KeyCloudInit, KeyAgents,
	KeyPackages, KeyTraces, KeyState,
	KeyFirewall, KeyNetRefs,
	KeySSH, KeyLogins, KeyPAM, KeyDirectory,
	KeyServices, KeyLVM, KeyRAID, KeyCrypttab, KeyMounts, KeySwap,
	KeyLoader, KeyKernels, KeyModprobe, KeyGrub,
}

func (g *gatherer) noGuest(a Absence) {
	for _, k := range guestKeys {
		g.f.SetAbsent(k, a)
	}
}

// open finds the operating system on the disk and opens its tree; nil if there
// is none or it cannot be read, which is then on record.
func (g *gatherer) open(ctx context.Context) (guestfs.FS, error) {
	found, unknown := g.roots(ctx)
	if err := ctx.Err(); err != nil {
		for _, r := range found {
			_ = r.tree.Close()
		}
		return nil, err
	}
	if len(found) == 0 {
		if len(unknown) > 0 {
			g.f.Guest.Problems = unknown
			g.noGuest(Absence{Reason: "whether the disk holds an operating system is unknown: " + unknown[0]})
		} else {
			g.noGuest(Absence{NotApplicable: true, Reason: "data disk: no volume holds an operating system"})
		}
		return nil, nil
	}
	root := found[0]
	for _, r := range found[1:] {
		g.f.Guest.Others = append(g.f.Guest.Others, r.volume.Name)
		_ = r.tree.Close()
	}
	gu := &g.f.Guest
	gu.Found, gu.Live, gu.Backend = true, root.point != "", root.tree.Backend()
	gu.Root, gu.RootPath, gu.RootType, gu.RootUUID = root.volume.Name, root.point, root.volume.Type, root.volume.UUID
	gu.Subvolume = root.dir
	gu.Problems = append(gu.Problems, unknown...)
	return g.compose(ctx, root), nil
}
