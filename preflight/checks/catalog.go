package checks

import "migimg/preflight/facts"

// Catalog is the version of the list: year and month of the last new check.
const Catalog = "2026.11"

// All returns the checks in the order of the report.
func All() []*Check {
	return []*Check{
		&diskPartitionTable,
		&diskSectorSize,
		&diskGPTIntegrity,
		&diskSizeLimit,
		&diskRequiredMounts,
		&diskStack,
		&diskLVMDevicesFile,
		&diskLVMConfig,
		&diskMDRAID,
		&diskMultipath,
		&diskLUKS,
		&diskGrowable,
		&diskSwap,
		&fsTypes,
		&fsClean,
		&fsLiveConsistency,
		&fsSpace,
		&fsAmbiguousIDs,
		&bootFirmware,
		&bootESPFallback,
		&bootSecureBoot,
		&bootLoaderPresent,
		&bootRootSpec,
		&bootCmdline,
		&bootConsole,
		&bootKernelFiles,
		&bootGrubDefaults,
		&bootGrubInstallDevice,
		&bootDefaultKernel,
		&bootFIPS,
		&bootCrashkernel,
		&driverBootDisk,
		&driverNetwork,
		&driverTargetExtra,
		&driverBlacklist,
		&initramfsReadable,
		&initramfsRootStack,
		&kernelThirdParty,
		&kernelArch,
		&kernelSupported,
		&kernelCPULevel,
		&mountFstabSyntax,
		&mountFstabDeviceNames,
		&mountFstabResolves,
		&mountFstabNetwork,
		&mountCrypttab,
		&mountUnits,
		&netPersistentNames,
		&netMACBinding,
		&netIfaceNames,
		&netAddressing,
		&netDHCPClient,
		&netTopology,
		&netOnlineWait,
		&netDNS,
		&netFirewall,
		&netReferences,
		&accessSSH,
		&accessHostKeys,
		&accessLoginPath,
		&accessAccounts,
		&accessDirectory,
		&accessPAM,
		&cloudinitInstalled,
		&cloudinitEnabled,
		&cloudinitDatasource,
		&cloudinitState,
		&agentConflicts,
		&agentTarget,
		&agentHardware,
		&agentSecurity,
		&osSupported,
		&osSELinux,
		&osImmutable,
		&osTime,
		&osIdentity,
		&osClusterRoles,
		&osLicensing,
		&osSecrets,
		&osPackageState,
		&osRepos,
		&osBootTarget,
		&osXorg,
		&osUsrSplit,
		&osCase,
		&metaCoverage,
		&metaScope,
		&metaP2V,
	}
}

// Find returns the check with an id, nil if there is none.
func Find(id string) *Check {
	for _, c := range All() {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// needGuest is what the checks of an operating system need at least.
var needGuest = []facts.Key{facts.KeyGuest}
