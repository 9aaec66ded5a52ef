package facts

import "regexp"

// hardwareSigns are programs for the hardware of a physical machine, which a
// virtual one does not have. The class "resets" is for those that restart the
// machine. Files and units are those of the vendors' packages and of Debian's
// and Fedora's file lists.
var hardwareSigns = []sign{
	{name: "HPE management agents", packages: []string{"hp-health", "hp-ams", "amsd", "hp-snmp-agents", "hpsmh", "ssacli", "hpssacli", "hpacucli", "ssaducli"},
		files: []string{"opt/hp/hp-health", "opt/smartstorageadmin", "sbin/amsd"}, units: []string{"hp-health.service", "hp-ams.service", "amsd.service", "smad.service", "hpasmlited.service"}, scripts: []string{"hp-health", "hp-ams", "hp-asrd"}},
	{name: "Dell OpenManage", packages: []string{"srvadmin-*", "dcism"}, files: []string{"opt/dell/srvadmin"},
		units: []string{"dataeng.service", "dsm_sa_datamgrd.service", "dsm_sa_eventmgrd.service", "dcismeng.service", "instsvcdrv.service"}, scripts: []string{"dataeng", "dsm_om_shrsvc"}},
	{name: "IBM and Lenovo management agents", packages: []string{"ibm_utl_*", "ServeRAID_*", "lnvgy_utl_*"}, files: []string{"opt/ibm/director", "opt/ibm/systems_director_platform_agent"}},
	{name: "tools of a RAID controller", packages: []string{"megacli*", "MegaCli*", "storcli*", "perccli*", "arcconf", "mpt-status", "MegaRAID_Storage_Manager"},
		files: []string{"opt/MegaRAID", "usr/local/MegaRAID Storage Manager", "opt/lsi"}, units: []string{"vivaldiframeworkd.service", "mpt-statusd.service"}, scripts: []string{"vivaldiframeworkd", "mpt-statusd"}},
	{name: "IPMI event daemon", onlyEnabled: true, units: []string{"ipmievd.service", "ipmi.service", "bmc-snmp-proxy.service", "freeipmi-bmc-watchdog.service"}, scripts: []string{"ipmievd", "ipmi"}},
	{name: "BMC watchdog", class: "resets", onlyEnabled: true, units: []string{"bmc-watchdog.service", "ipmiwatchdog.service"}, scripts: []string{"bmc-watchdog", "hp-asrd"}},
	{name: "watchdog daemon", class: "resets", onlyEnabled: true, units: []string{"watchdog.service", "wd_keepalive.service", "watchdog-mux.service"}, scripts: []string{"watchdog"},
		note: "restarts the machine when a test of its configuration fails, which may be about the old network or sensors"},
	{name: "systemd's watchdog", class: "resets", lines: []signLine{
		{"etc/systemd/system.conf", regexp.MustCompile(`^RuntimeWatchdogSec=\s*[1-9]`)},
		{"etc/systemd/system.conf.d/*.conf", regexp.MustCompile(`^RuntimeWatchdogSec=\s*[1-9]`)}},
		note: "is without effect where there is no watchdog device"},
	{name: "smartd", onlyEnabled: true, units: []string{"smartd.service", "smartmontools.service"}, scripts: []string{"smartd", "smartmontools"}},
	{name: "mcelog", onlyEnabled: true, units: []string{"mcelog.service"}, scripts: []string{"mcelog", "mcelogd"}},
	{name: "rasdaemon", onlyEnabled: true, units: []string{"rasdaemon.service"}, scripts: []string{"rasdaemon"}},
	{name: "lm_sensors", onlyEnabled: true, units: []string{"lm_sensors.service", "lm-sensors.service", "sensord.service"}, scripts: []string{"lm_sensors", "lm-sensors", "sensord"}},
	{name: "fancontrol", onlyEnabled: true, units: []string{"fancontrol.service"}, scripts: []string{"fancontrol"}},
	{name: "thermald", onlyEnabled: true, units: []string{"thermald.service"}, scripts: []string{"thermald"}},
	{name: "CPU frequency control", onlyEnabled: true, units: []string{"cpufrequtils.service", "cpupower.service", "cpuspeed.service", "tlp.service"}, scripts: []string{"cpuspeed", "cpufrequtils"}},
	{name: "UPS daemon (apcupsd)", class: "resets", onlyEnabled: true, units: []string{"apcupsd.service"}, scripts: []string{"apcupsd"}, note: "may shut the machine down when it does not reach its UPS"},
	{name: "UPS daemon (nut)", class: "resets", onlyEnabled: true, units: []string{"nut-monitor.service", "nut-server.service", "nut-driver.service"}, scripts: []string{"nut", "upsd", "upsmon", "nut-client", "nut-server"}, note: "may shut the machine down when it does not reach its UPS"},
	{name: "multipath", lines: []signLine{{"etc/multipath/wwids", regexp.MustCompile(`^/.+/$`)}}, note: "knows disks of the old machine by their ids"},
	{name: "iSCSI", files: []string{"var/lib/iscsi/nodes/*", "etc/iscsi/nodes/*"}, note: "has targets that it may wait for at boot"},
	{name: "FCoE", onlyEnabled: true, units: []string{"fcoe.service", "lldpad.service"}, scripts: []string{"fcoe", "lldpad"}},
	{name: "Bluetooth", onlyEnabled: true, units: []string{"bluetooth.service"}, scripts: []string{"bluetooth"}},
	{name: "NVIDIA drivers", class: "kernel", packages: []string{"nvidia-driver", "nvidia-driver-[0-9]*", "nvidia-kernel-dkms", "kmod-nvidia*", "akmod-nvidia"}, files: []string{"usr/bin/nvidia-uninstall"}, note: "are for a graphics card that the target has only if it is ordered with one"},
}

// securitySigns are security programs. Those of the class "identity" register
// each machine at a server, which sees two copies as one; those of the class
// "kernel" bring a kernel module that has to fit the kernel.
var securitySigns = []sign{
	{name: "CrowdStrike Falcon", class: "kernel", packages: []string{"falcon-sensor"}, files: []string{"opt/CrowdStrike"}, units: []string{"falcon-sensor.service"}},
	{name: "Trend Micro Deep Security", class: "kernel", packages: []string{"ds-agent", "ds_agent"}, files: []string{"opt/ds_agent"}, units: []string{"ds_agent.service"}, scripts: []string{"ds_agent"}},
	{name: "Sophos", class: "kernel", files: []string{"opt/sophos-spl", "opt/sophos-av"}, units: []string{"sophos-spl.service", "sav-protect.service"}, scripts: []string{"sav-protect"}},
	{name: "McAfee or Trellix", class: "kernel", packages: []string{"McAfeeESP*", "MFEcma", "ISecTP"}, files: []string{"opt/McAfee", "opt/isec/ens", "opt/Trellix"}, units: []string{"mfetpd.service", "mfeespd.service", "cma.service"}},
	{name: "VMware Carbon Black", class: "kernel", packages: []string{"cb-psc-sensor", "cbsensor"}, files: []string{"opt/carbonblack", "usr/sbin/cbdaemon"}, units: []string{"cbagentd.service", "cbdaemon.service"}, scripts: []string{"cbdaemon"}},
	{name: "SentinelOne", class: "kernel", packages: []string{"SentinelAgent", "sentinelagent"}, files: []string{"opt/sentinelone"}, units: []string{"sentinelone.service"}},
	{name: "Palo Alto Cortex XDR", class: "kernel", files: []string{"opt/traps"}, units: []string{"traps_pmd.service"}},
	{name: "Microsoft Defender", class: "identity", packages: []string{"mdatp"}, files: []string{"opt/microsoft/mdatp"}, units: []string{"mdatp.service"}},
	{name: "Kaspersky", class: "kernel", packages: []string{"kesl", "klnagent64"}, files: []string{"opt/kaspersky"}, units: []string{"kesl.service", "klnagent64.service"}},
	{name: "ESET", class: "kernel", files: []string{"opt/eset"}, units: []string{"eea.service", "efs.service"}},
	{name: "Symantec", class: "kernel", packages: []string{"sdcss*"}, files: []string{"opt/Symantec"}, units: []string{"symcfgd.service", "sisidsagent.service"}},
	{name: "Bitdefender", class: "kernel", files: []string{"opt/bitdefender-security-tools", "opt/BitDefender"}, units: []string{"bdsec.service"}},
	{name: "Cisco Secure Endpoint", class: "kernel", files: []string{"opt/cisco/amp"}, units: []string{"cisco-amp.service"}},
	{name: "Wazuh or OSSEC", class: "identity", packages: []string{"wazuh-agent", "ossec-hids*"}, files: []string{"var/ossec/etc/client.keys"}, units: []string{"wazuh-agent.service", "ossec.service"}, scripts: []string{"wazuh-agent", "ossec"}},
	{name: "Qualys", class: "identity", packages: []string{"qualys-cloud-agent"}, files: []string{"usr/local/qualys/cloud-agent"}, units: []string{"qualys-cloud-agent.service"}},
	{name: "Nessus agent", class: "identity", packages: []string{"NessusAgent", "nessusagent"}, files: []string{"opt/nessus_agent"}, units: []string{"nessusagent.service"}},
	{name: "Rapid7 Insight agent", class: "identity", files: []string{"opt/rapid7/ir_agent"}, units: []string{"ir_agent.service"}},
	{name: "Elastic agent", class: "identity", packages: []string{"elastic-agent"}, files: []string{"opt/Elastic/Agent"}, units: []string{"elastic-agent.service"}},
	{name: "Tanium", class: "identity", files: []string{"opt/Tanium"}, units: []string{"taniumclient.service"}},
	{name: "Tripwire", class: "baseline", packages: []string{"tripwire"}, files: []string{"etc/tripwire/tw.pol", "var/lib/tripwire/*.twd"}, note: "reports every file that the conversion or cloud-init changes"},
	{name: "AIDE", class: "baseline", packages: []string{"aide"}, files: []string{"var/lib/aide/aide.db*"}, note: "reports every file that the conversion or cloud-init changes"},
	{name: "auditd that panics", class: "panic", lines: []signLine{
		{"etc/audit/audit.rules", regexp.MustCompile(`^-f\s*2\b`)}, {"etc/audit/rules.d/*.rules", regexp.MustCompile(`^-f\s*2\b`)}},
		note: "stops the kernel when the audit log cannot be written (auditctl -f 2)"},
}
