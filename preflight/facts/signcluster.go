package facts

import "regexp"

// clusterSigns are roles in which a machine is known to others: a copy that runs
// beside the original, or at another address, collides with it.
var clusterSigns = []sign{
	{name: "Corosync", files: []string{"etc/corosync/corosync.conf"}, units: []string{"corosync.service"}, scripts: []string{"corosync", "openais"}},
	{name: "Pacemaker", onlyEnabled: true, units: []string{"pacemaker.service", "pcsd.service", "sbd.service"}, scripts: []string{"pacemaker"}},
	{name: "Heartbeat", files: []string{"etc/ha.d/ha.cf"}, units: []string{"heartbeat.service"}, scripts: []string{"heartbeat"}},
	{name: "Red Hat cluster (cman)", files: []string{"etc/cluster/cluster.conf"}, scripts: []string{"cman", "rgmanager"}},
	{name: "DRBD", files: []string{"etc/drbd.d/*.res"}, units: []string{"drbd.service"}, scripts: []string{"drbd"}},
	{name: "keepalived", files: []string{"etc/keepalived/keepalived.conf"}, units: []string{"keepalived.service"}, scripts: []string{"keepalived"}, note: "takes over the virtual address"},
	{name: "etcd", files: []string{"var/lib/etcd/member"}, units: []string{"etcd.service"}},
	{name: "Kubernetes node", files: []string{"etc/kubernetes/kubelet.conf", "var/lib/kubelet/config.yaml", "var/lib/rancher/k3s", "var/lib/rancher/rke2", "var/snap/microk8s/current"},
		units: []string{"kubelet.service", "k3s.service", "k3s-agent.service", "rke2-server.service", "rke2-agent.service"}},
	{name: "Docker swarm", files: []string{"var/lib/docker/swarm/docker-state.json"}},
	{name: "Consul or Nomad", files: []string{"etc/consul.d/*", "etc/nomad.d/*"}, units: []string{"consul.service", "nomad.service"}},
	{name: "ZooKeeper", units: []string{"zookeeper.service"}, onlyEnabled: true},
	{name: "Ceph", files: []string{"var/lib/ceph/osd/*", "var/lib/ceph/mon/*"}, units: []string{"ceph-mon.target", "ceph-osd.target"}, scripts: []string{"ceph"}},
	{name: "GlusterFS", files: []string{"var/lib/glusterd/peers/*"}, units: []string{"glusterd.service", "glusterfs-server.service"}, scripts: []string{"glusterd"}},
	{name: "oVirt or VDSM host", files: []string{"etc/vdsm/vdsm.id"}, units: []string{"vdsmd.service"}},
	{name: "Proxmox VE cluster", files: []string{"var/lib/pve-cluster/config.db"}, units: []string{"pve-cluster.service"}},
	{name: "Samba domain controller", lines: []signLine{{"etc/samba/smb.conf", regexp.MustCompile(`(?i)^server role\s*=\s*(active directory )?domain controller`)}}, units: []string{"samba-ad-dc.service"}, scripts: []string{"samba-ad-dc"}},
	{name: "FreeIPA server", files: []string{"etc/ipa/ca.crt"}, units: []string{"ipa.service"}, onlyEnabled: true},
	{name: "DHCP server", onlyEnabled: true, units: []string{"dhcpd.service", "isc-dhcp-server.service", "kea-dhcp4.service", "kea-dhcp4-server.service"}, scripts: []string{"dhcpd", "isc-dhcp-server"}, note: "answers in the target's network"},
	{name: "authoritative DNS server", lines: []signLine{
		{"etc/named.conf", reZone}, {"etc/named/*.conf", reZone}, {"etc/bind/named.conf.local", reZone}, {"etc/named.d/*.conf", reZone}},
		units: []string{"named.service", "bind9.service", "named-chroot.service"}, scripts: []string{"named", "bind9"}},
	{name: "other DNS servers", onlyEnabled: true, units: []string{"pdns.service", "knot.service", "nsd.service"}, scripts: []string{"pdns", "nsd"}},
	{name: "NFS server", lines: []signLine{{"etc/exports", regexp.MustCompile(`^["/]`)}, {"etc/exports.d/*.exports", regexp.MustCompile(`^["/]`)}},
		units: []string{"nfs-server.service", "nfs-kernel-server.service", "nfsserver.service"}, scripts: []string{"nfs", "nfs-kernel-server", "nfsserver"}},
	{name: "iSCSI target", files: []string{"etc/tgt/conf.d/*.conf"}, lines: []signLine{{"etc/target/saveconfig.json", regexp.MustCompile(`"wwn"`)}}, units: []string{"target.service", "rtslib-fb-targetctl.service", "tgt.service", "tgtd.service"}, scripts: []string{"tgtd"}},
	{name: "MySQL or MariaDB replication", lines: []signLine{
		{"etc/my.cnf", reMySQL}, {"etc/my.cnf.d/*.cnf", reMySQL}, {"etc/mysql/*.cnf", reMySQL}, {"etc/mysql/*/*.cnf", reMySQL}},
		units: []string{"mysql.service", "mysqld.service", "mariadb.service"}, scripts: []string{"mysql", "mysqld", "mariadb"}},
	{name: "PostgreSQL standby", files: []string{"var/lib/pgsql/data/standby.signal", "var/lib/pgsql/*/data/standby.signal", "var/lib/postgresql/*/*/standby.signal", "var/lib/pgsql/data/recovery.conf", "var/lib/pgsql/*/data/recovery.conf", "var/lib/postgresql/*/*/recovery.conf"}},
	{name: "MongoDB replica set", lines: []signLine{{"etc/mongod.conf", regexp.MustCompile(`^(replSetName\s*:|replSet\s*=)`)}}},
	{name: "Redis replica or cluster", lines: []signLine{
		{"etc/redis.conf", reRedis}, {"etc/redis/*.conf", reRedis}, {"etc/valkey/*.conf", reRedis}}},
	{name: "Elasticsearch or OpenSearch cluster", lines: []signLine{
		{"etc/elasticsearch/elasticsearch.yml", reSeeds}, {"etc/opensearch/opensearch.yml", reSeeds}}},
	{name: "RabbitMQ cluster", lines: []signLine{{"etc/rabbitmq/rabbitmq.conf", regexp.MustCompile(`^cluster_formation\.`)}}},
	{name: "Slurm or another batch scheduler", onlyEnabled: true, units: []string{"slurmd.service", "slurmctld.service", "pbs.service", "condor.service"}},
	{name: "routing daemon", onlyEnabled: true, units: []string{"frr.service", "bird.service", "quagga.service"}, scripts: []string{"bird", "quagga", "frr"}, note: "announces its routes in the target's network"},
}

var (
	reZone  = regexp.MustCompile(`^(zone\s.*)?\btype\s+"?(master|primary)\b`)
	reMySQL = regexp.MustCompile(`(?i)^(server[-_]id\s*=\s*[1-9]|wsrep_on\s*=\s*(on|1)|wsrep_cluster_address\s*=|gtid_mode\s*=\s*on|group_replication_)`)
	reRedis = regexp.MustCompile(`^(replicaof|slaveof|cluster-enabled\s+yes)`)
	reSeeds = regexp.MustCompile(`^(discovery\.seed_hosts|cluster\.initial_master_nodes|discovery\.zen\.ping\.unicast\.hosts)\s*:`)
)

// licenceSigns are registrations and licences that know the machine. Of the
// class "bound" are those that stop working on another one.
var licenceSigns = []sign{
	{name: "Red Hat subscription", class: "registered", files: []string{"etc/pki/consumer/cert.pem"}, note: "the copy is the same system to Red Hat or Satellite until it registers anew"},
	{name: "Red Hat's update infrastructure of a cloud (RHUI)", class: "bound", packages: []string{"rh-amazon-rhui-client*", "rhui-azure-*", "google-rhui-client-*", "*-rhui-client", "rhui-*"}, files: []string{"etc/pki/rhui"}, note: "gives updates within its own cloud only"},
	{name: "SUSE registration", class: "registered", files: []string{"etc/zypp/credentials.d/SCCcredentials", "etc/zypp/credentials.d/NCCcredentials"}},
	{name: "SUSE's update infrastructure of a cloud", class: "bound", packages: []string{"regionServiceClientConfig*"}, files: []string{"var/cache/cloudregister/current*"}, note: "gives updates within its own cloud only"},
	{name: "Oracle ULN or Spacewalk registration", class: "registered", files: []string{"etc/sysconfig/rhn/systemid"}},
	{name: "Ubuntu Pro", class: "registered", files: []string{"var/lib/ubuntu-advantage/private/machine-token.json"}, note: "the token is of one machine"},
	{name: "Canonical Livepatch or Landscape", class: "registered", files: []string{"var/lib/landscape/client/broker.bpickle"}},
	{name: "FlexLM licence server", class: "bound", files: []string{"usr/local/flexlm", "opt/*/flexlm", "usr/tmp/.flexlm", "var/tmp/.flexlm"}, units: []string{"lmgrd.service", "flexlm.service"}, scripts: []string{"lmgrd", "flexlm"}, note: "its licences are bound to the hostid, which is a network card's address"},
	{name: "HASP or Sentinel dongle", class: "bound", packages: []string{"aksusbd"}, files: []string{"etc/hasplm", "usr/sbin/hasplmd", "usr/sbin/aksusbd"}, units: []string{"aksusbd.service", "hasplmd.service"}, scripts: []string{"aksusbd", "hasplmd"}, note: "the dongle stays in the old machine"},
	{name: "CodeMeter dongle", class: "bound", packages: []string{"CodeMeter*", "codemeter*"}, files: []string{"var/lib/CodeMeter"}, units: []string{"codemeter.service"}},
	{name: "Oracle Database", class: "counted", files: []string{"etc/oratab", "etc/oraInst.loc", "var/opt/oracle/oratab"}, note: "is licensed by processor, and clouds count those differently"},
	{name: "Veritas", class: "bound", packages: []string{"VRTSvxvm", "VRTSvlic"}, files: []string{"etc/vx/licenses/lic/*", "opt/VRTSvlic"}},
	{name: "IBM Db2, WebSphere or Spectrum", class: "counted", files: []string{"opt/ibm/db2", "opt/IBM/WebSphere", "opt/tivoli"}},
	{name: "SAP", class: "bound", files: []string{"usr/sap/sapservices", "usr/sap/hostctrl"}, note: "its licence is bound to a hardware key"},
	{name: "cPanel", class: "bound", files: []string{"usr/local/cpanel/cpanel.lisc"}, note: "its licence is bound to the public address"},
	{name: "Plesk", class: "bound", files: []string{"usr/local/psa/version", "etc/sw/keys"}, note: "its licence is bound to the machine"},
	{name: "MATLAB", class: "bound", files: []string{"usr/local/MATLAB/*/licenses", "opt/MATLAB/*/licenses"}},
	{name: "Parallels Virtuozzo or CloudLinux", class: "bound", files: []string{"etc/vz/licenses", "etc/sysconfig/rhn/jwt.token"}},
}
