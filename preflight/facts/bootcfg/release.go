package bootcfg

// CompareReleases orders kernel releases as the package managers that made them
// do (rpm-version(7)): negative where a is older than b, 0 where neither is newer.
func CompareReleases(a, b string) int { return compareRPM(a, b) }
